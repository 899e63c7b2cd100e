"""Lists the most recently active users of some sources.

The table `users` has the hour of each user's newest event, but of any source. For some sources, the events must be read: those of
the newest hour first, then further back until there are enough users.
"""

from datetime import timedelta
from typing import Any

import psycopg

from event_tracker.query.parameter_types import EARLIEST
from event_tracker.query.stats.sql.statements import QUERIES
from event_tracker.query.stats.time_range import DAY

LOOKBACKS = (timedelta(0), DAY, 30 * DAY)
"""How far to look back from the newest hour with events. The last attempt reads all events."""


def list_recently_active(connection: psycopg.Connection, parameters: dict[str, Any]) -> list[Any]:
    """List users as the statement `list_users` does, for the sources in the parameters."""
    ((newest,),) = connection.execute(QUERIES["list_users.newest_hour"], parameters, binary=True).fetchall()
    if newest is None:
        return []
    for since in (*(newest - min(step, newest - EARLIEST) for step in LOOKBACKS), EARLIEST):
        rows = connection.execute(
            QUERIES["list_users.of_sources"], {**parameters, "since": since}, prepare=False, binary=True
        ).fetchall()
        if len(rows) == parameters["rows"]:
            break
    return rows
