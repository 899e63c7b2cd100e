"""Summing up days that are over, so that questions about a month needn't read its events.

The query service takes a day's summary only while it counts as many events as are stored, so a summary that is missing or
late costs time and never a right answer (infra/migrations/0006-summaries.sql, 0020-deleted-counts.sql).
"""

from datetime import datetime, timedelta

import psycopg

from event_tracker.cli.database.partitions import QUERIES, lock_out_erasures

DAY = timedelta(days=1)

MOST_VALUES = 1000
"""A property with more values a day, such as an order's number, is left out: its counts would be as many as its events."""

MOST_BYTES = 500
"""So is one whose name or one of whose values is longer, in UTF-8: an index entry has 2,704 bytes for both and the type."""


def stale_days(connection: psycopg.Connection) -> list[datetime]:
    """Days that are over and have no summary of as many events as are stored of them."""
    return [day for (day,) in connection.execute(QUERIES["stale_days"])]


def sum_up(connection: psycopg.Connection, day: datetime) -> bool:
    """Sum a day up, in place of the summary that it may have.

    Returns:
        False if it has other events than those that are counted and not counted as deleted: somebody else changed them, so
        no number says which events a summary would be of.
    """
    bounds = {"day": day, "end": day + DAY}
    limits = {"most_values": MOST_VALUES, "most_bytes": MOST_BYTES}
    with connection.transaction():
        # One snapshot: what is counted is what is summed up.
        connection.execute("set transaction isolation level repeatable read")
        lock_out_erasures(connection)
        ((events, counted),) = connection.execute(QUERIES["count_day"], bounds).fetchall()
        if events != counted:
            _renew_visits(connection, day)
            return False
        connection.execute("delete from property_counts where day = %s", [day])
        connection.execute("delete from visits where day = %s", [day])
        ((left_out,),) = connection.execute(QUERIES["sum_up_properties"], {**bounds, **limits}).fetchall()
        connection.execute(QUERIES["sum_up_visits"], {"day": day})
        connection.execute(QUERIES["mark_summed_up"], {"day": day, "events": events, "left_out": left_out})
    return True


def _renew_visits(connection: psycopg.Connection, day: datetime) -> None:
    """Bring the visits of what is left of a day into the order that they have now. What was counted of the rest stays."""
    if connection.execute(QUERIES["mark_visits_renewed"], {"day": day}).rowcount:
        connection.execute("delete from visits where day = %s", [day])
        connection.execute(QUERIES["sum_up_visits"], {"day": day})
