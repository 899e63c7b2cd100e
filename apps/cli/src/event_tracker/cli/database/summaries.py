"""Summaries of past days, so that queries about a month needn't read its events.

The query service uses a day's summary only if it counts as many events as are stored. So a summary that is missing or outdated
makes a query slower, but never wrong (infra/migrations/0006-summaries.sql, 0020-deleted-counts.sql).
"""

from datetime import datetime, timedelta

import psycopg

from event_tracker.cli.database.partitions import QUERIES, lock_out_erasures

DAY = timedelta(days=1)

MOST_VALUES = 1000
"""A property with more values in a day, such as an order number, is left out: it would have as many counts as events."""

MOST_BYTES = 500
"""A property with a longer name or value, in UTF-8, is left out too: name, value and event type share an index entry of at
most 2,704 bytes."""


def stale_days(connection: psycopg.Connection) -> list[datetime]:
    """The past days without a current summary: one that counts as many events as are stored."""
    return [day for (day,) in connection.execute(QUERIES["stale_days"])]


def sum_up(connection: psycopg.Connection, day: datetime) -> bool:
    """Make a day's summary, in place of an older one.

    Returns:
        False if the number of the day's events isn't what the counters say. Then something else has changed the events, and
        a summary could never be recognised as current.
    """
    bounds = {"day": day, "end": day + DAY}
    limits = {"most_values": MOST_VALUES, "most_bytes": MOST_BYTES}
    with connection.transaction():
        # One snapshot, so that the events counted are those summed up.
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
    """Make the visits of the day's remaining events again, in today's order. The counts of deleted events stay."""
    if connection.execute(QUERIES["mark_visits_renewed"], {"day": day}).rowcount:
        connection.execute("delete from visits where day = %s", [day])
        connection.execute(QUERIES["sum_up_visits"], {"day": day})
