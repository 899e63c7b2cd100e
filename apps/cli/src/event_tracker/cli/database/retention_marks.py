"""Retention marks: the time before which a source's events are deleted.

Collectors store nothing older. Otherwise an event that is sent again would be stored and counted again.
"""

from typing import Any

import psycopg

from event_tracker.cli.database.partitions import QUERIES, lock_out_erasures, wait_for_inserts


def set_marks(connection: psycopg.Connection, limits: dict[str, Any]) -> None:
    """Set the marks before older events are deleted. Once this returns, every insert respects them.

    Inserts that can't see the new marks are waited for. While they run, no event is deleted yet, so they recognise duplicates.

    Args:
        limits: `own_sources`, `own_limits` and `others`, as `event_tracker.cli.database.retention.Limits.parameters` returns them.
    """
    with connection.transaction():
        lock_out_erasures(connection)
        if connection.execute(QUERIES["set_marks"], limits).rowcount:
            wait_for_inserts(connection)
