"""What track() costs beside a plain insert of the same row: `python -m bench.track URL`, of an empty, migrated database, as its owner.

Both in turn, on one connection: each round in transactions of 1, 10, 100 and 1,000 events. Prints medians, and the ratio of each pair.
"""

import statistics
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta

import psycopg

INSERT = """
insert into events (user_id, event_type, properties, "timestamp", event_id, source) values (%s, %s, %s, %s, %s, 'default')
"""
TRACK = "select event_tracker.track(%s, %s, %s, %s, %s)"
PROPERTIES = '{"order": 4711, "total": 12.5, "currency": "EUR", "items": ["a-1", "b-2"]}'
USERS = 500
EVENTS = 1000
ROUNDS = 9


def measure(connection: psycopg.Connection, statement: str, per_transaction: int) -> float:
    """Microseconds for an event."""
    now = datetime.now(UTC)
    rows = [
        [f"user {n % USERS}", "order_paid", PROPERTIES, now - timedelta(seconds=n), uuid.uuid4()] for n in range(EVENTS)
    ]
    start = time.perf_counter()
    for first in range(0, EVENTS, per_transaction):
        with connection.transaction():
            for row in rows[first : first + per_transaction]:
                connection.execute(statement.encode(), row)
    return (time.perf_counter() - start) / EVENTS * 1e6


def main(url: str) -> None:
    """Measure, and print a table."""
    print("| events in a transaction | plain insert, µs | track(), µs | times |\n| ---: | ---: | ---: | --- |")
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (INSERT, TRACK):
            measure(connection, statement, 100)
        for per_transaction in (1, 10, 100, 1000):
            pairs = [
                (measure(connection, INSERT, per_transaction), measure(connection, TRACK, per_transaction))
                for _ in range(ROUNDS)
            ]
            plain, track = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratios = sorted(track / plain for plain, track in pairs)
            shown = f"**{statistics.median(ratios):.2f}** ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            print(f"| {per_transaction:,} | {plain:.0f} | {track:.0f} | {shown} |")


if __name__ == "__main__":
    main(sys.argv[1])
