"""Writes directly to PostgreSQL, over one connection, to compare the services with. contenders.py runs it as a process.

    python -m bench.direct copy|insert|store… URL FILE WARM_UP SECONDS

Prepares and warms up, says `ready`, waits for a line, works for SECONDS, and answers with one line of JSON.
"""

import json
import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import psycopg

from event_tracker.model.storing.store_events import STORE_EVENTS

COPY = 'copy events (event_id, user_id, event_type, "timestamp", session_id, properties) from stdin'
INSERT = (
    'insert into events (event_id, user_id, event_type, "timestamp", session_id, properties)'
    " values (%s, %s, %s, %s::timestamptz, %s, %s::jsonb)"
)


def _values(event: dict[str, Any]) -> tuple[str, ...]:
    properties = json.dumps(event["properties"], separators=(",", ":"))
    return event["user_id"], event["event_type"], event["timestamp"], event["session_id"], properties


def _copies(connection: psycopg.Connection, file: Path) -> Iterator[tuple[Callable[[], None], int]]:
    """Transactions of one COPY each, with the batches of the file as rows; the ids are new each time."""
    batches = [["\t".join(_values(event)) + "\n" for event in json.loads(line)] for line in file.open()]
    for batch in cycle(batches):
        random = os.urandom(16 * len(batch)).hex()
        rows = "".join([f"{random[at * 32 : at * 32 + 32]}\t{row}" for at, row in enumerate(batch)]).encode()

        def copy(rows: bytes = rows) -> None:
            with connection.cursor().copy(COPY) as stream:
                stream.write(rows)

        yield copy, len(batch)


def _inserts(connection: psycopg.Connection, file: Path) -> Iterator[tuple[Callable[[], None], int]]:
    """Transactions of one row each, with the events of the file; the ids are new each time."""
    for values in cycle([_values(json.loads(line)) for line in file.open()]):

        def insert(row: tuple[Any, ...] = (uuid.uuid4(), *values)) -> None:
            connection.execute(INSERT, row)

        yield insert, 1


def _stores(
    connection: psycopg.Connection, file: Path, without: tuple[str, ...] = ()
) -> Iterator[tuple[Callable[[], None], int]]:
    """The collector's statement, one batch of the file each, but for the parts of this name; the ids are new each time."""
    statement = STORE_EVENTS.decode()
    for part in without:
        statement = re.sub(rf",\n{part} as \(\n.*?\n\)", "", statement, flags=re.DOTALL)
    for batch in cycle([json.loads(line) for line in file.open()]):
        columns = {
            "user_ids": [event["user_id"] for event in batch],
            "timestamps": [datetime.fromisoformat(event["timestamp"]) for event in batch],
            "event_ids": [uuid.uuid4() for _ in batch],
            "event_types": [event["event_type"] for event in batch],
            "session_ids": [event["session_id"] for event in batch],
            "properties": [json.dumps(event["properties"], separators=(",", ":")) for event in batch],
            "sources": ["default"] * len(batch),
            "slot": 1,
        }

        def store(columns: dict[str, Any] = columns) -> None:
            connection.execute(statement, columns, binary=True)

        yield store, len(batch)


KINDS: dict[str, Callable[[psycopg.Connection, Path], Iterator[tuple[Callable[[], None], int]]]] = {
    "copy": _copies,
    "insert": _inserts,
    "store": _stores,
    "store-no-users": partial(_stores, without=("seen",)),
    "store-no-rollups": partial(_stores, without=("seen", "counted")),
}


def _work(transactions: Iterator[tuple[Callable[[], None], int]], seconds: float) -> tuple[list[float], int]:
    """Run transactions for some time; return how long each took, and the rows stored.

    Only the transactions are timed: making the rows isn't, which is to the advantage of what we are compared with.
    """
    times, rows = [], 0
    deadline = time.perf_counter() + seconds
    for transaction, size in transactions:
        started = time.perf_counter()
        transaction()
        ended = time.perf_counter()
        times.append(ended - started)
        rows += size
        if ended >= deadline:
            break
    return times, rows


def main() -> None:
    kind, url, file, warm_up, seconds = sys.argv[1:]
    with psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection:
        transactions = KINDS[kind](connection, Path(file))
        _, warm_rows = _work(transactions, float(warm_up))
        print("ready", flush=True)
        sys.stdin.readline()
        times, rows = _work(transactions, float(seconds))
    times.sort()
    answer = {
        "rate": rows / sum(times),
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[len(times) * 99 // 100] * 1000,
        "rows": rows,
        "warm_rows": warm_rows,
    }
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
