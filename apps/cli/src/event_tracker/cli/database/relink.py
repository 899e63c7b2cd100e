"""Makes the links between ids again from the stored events, and mends those that came from another server."""

import psycopg

from event_tracker.cli.database.partitions import lock_out_erasures
from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.cli.database", "relink.sql")


def relink(connection: psycopg.Connection) -> int:
    """Make the links of all stored events, day by day. Returns how many were made or moved to an earlier event.

    No link is deleted: its event may have been deleted by its age. What was removed stays removed.
    """
    changed = 0
    for (day,) in connection.execute(QUERIES["linking_days"]).fetchall():
        with connection.transaction():
            # An erasure's links mustn't be made again while their events are being deleted.
            lock_out_erasures(connection)
            changed += len(connection.execute(QUERIES["relink_day"], {"day": day}).fetchall())
    return changed


def renumber_restored(connection: psycopg.Connection) -> None:
    """Renumber links whose last change names a transaction that this server hasn't reached."""
    connection.execute(QUERIES["renumber_restored_links"])
