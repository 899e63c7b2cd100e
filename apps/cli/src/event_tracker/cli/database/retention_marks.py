"""Retention marks: up to when a source's events are deleted. Collectors store nothing older, or a resend would be counted again."""

from typing import Any

import psycopg

from event_tracker.cli.database.partitions import QUERIES, lock_out_erasures, wait_for_inserts


def set_marks(connection: psycopg.Connection, limits: dict[str, Any]) -> None:
    """Say that what is older than these limits is about to be deleted; once this returns, every insert goes by it.

    An insert that doesn't see the mark is waited for: while it runs, the event that it may be a resend of is still there.

    Args:
        limits: `own_sources`, `own_limits` and `others`, as `event_tracker.cli.database.retention.Limits.parameters` gives them.
    """
    with connection.transaction():
        lock_out_erasures(connection)
        if connection.execute(QUERIES["set_marks"], limits).rowcount:
            wait_for_inserts(connection)
