"""Who was active most recently, by the events of some sources alone.

`users` keeps the hour of each user's newest event of any source. That of some sources' is found in their events: in those of an
hour first, and further back until there are enough users.
"""

from datetime import timedelta
from typing import Any

import psycopg

from event_tracker.query.parameter_types import EARLIEST
from event_tracker.query.stats.statements import QUERIES
from event_tracker.query.stats.time_range import DAY

LOOKBACKS = (timedelta(0), DAY, 30 * DAY)
"""How far back from the newest hour that has any events; after these, as far as there are any."""


def list_recently_active(connection: psycopg.Connection, parameters: dict[str, Any]) -> list[Any]:
    """Rows as `list_users` has them, of the sources in the parameters."""
    ((newest,),) = connection.execute(QUERIES["list_users.newest_hour"], parameters, binary=True).fetchall()
    if newest is None:
        return []
    for since in (*(newest - min(step, newest - EARLIEST) for step in LOOKBACKS), EARLIEST):
        stretch = {**parameters, "since": since}
        rows = connection.execute(QUERIES["list_users.of_sources"], stretch, prepare=False, binary=True).fetchall()
        if len(rows) == parameters["rows"]:
            break
    return rows
