"""Stores a group of records: their events by the collector's own statement, then what can't be stored as refused events."""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import psycopg
from confluent_kafka import Message

from event_tracker.core.postgres.pool import ConnectionPool, attempt, execute
from event_tracker.model.storing.keep_rejections import NewRejection, keep_rejections, remove_surplus
from event_tracker.model.storing.record import UnreadableRecordError, read_record
from event_tracker.model.storing.row import NotStorableError, Row
from event_tracker.model.storing.store_events import EventStore, encode_rows
from event_tracker.streams.storer import metrics
from event_tracker.streams.storer.dead_letters import IN_FUTURE, NOT_STORABLE, reject_record, reject_row

MAX_AHEAD = timedelta(hours=25)
"""Collectors take times of up to 24 hours ahead of their own clock. Only who writes to the topic directly sends a later one."""

PROGRAM_LIMIT = "54"
"""The SQLSTATE class of data that is too complex or too long for PostgreSQL. psycopg counts it among failures of the server."""


class GroupStore:
    """Stores groups. What it does may be done again: events and refused events have ids.

    Args:
        rejections_kept: how many refused events of each source.
        rejection_bytes: most bytes of each.
    """

    def __init__(self, pool: ConnectionPool[psycopg.Connection], *, rejections_kept: int, rejection_bytes: int) -> None:
        self._pool = pool
        self._kept = rejections_kept
        self._most_bytes = rejection_bytes
        self._events = EventStore(lambda reason: metrics.LINKS_REFUSED.labels(reason).inc())

    def store(self, records: Sequence[Message]) -> None:
        """Store records. All is committed when it returns.

        Raises:
            psycopg.Error: if the database is unavailable, or cancels the statement. A part may be stored.
        """
        started = time.perf_counter()
        rows, dead = self._read(records)
        outcomes: Counter[str] = Counter()
        for (record, row), outcome in zip(rows, self._store_rows([row for _, row in rows]), strict=True):
            if isinstance(outcome, NotStorableError):
                why = f"The database refused this event ({outcome})."
                dead.append(reject_row(record, row, NOT_STORABLE, why, self._most_bytes))
            else:
                outcomes[outcome] += 1
        if dead:
            self._keep(dead)
            outcomes["dead"] = len(dead)
        metrics.STATEMENT_SECONDS.observe(time.perf_counter() - started)
        metrics.GROUP_RECORDS.observe(len(records))
        for name, number in outcomes.items():
            metrics.RECORDS.labels(name).inc(number)
        if rows:
            oldest = min(row.timestamp for _, row in rows)
            metrics.EVENT_LAG.observe((datetime.now(UTC) - oldest).total_seconds())

    def _read(self, records: Sequence[Message]) -> tuple[list[tuple[Message, Row]], list[NewRejection]]:
        """The events that can be stored, and the refused events of the other records."""
        rows: list[tuple[Message, Row]] = []
        dead: list[NewRejection] = []
        latest = datetime.now(UTC) + MAX_AHEAD
        for record in records:
            try:
                row = read_record(record.value(), _headers(record))
            except UnreadableRecordError as error:
                dead.append(reject_record(record, str(error), self._most_bytes))
                continue
            if row.timestamp > latest:
                dead.append(reject_row(record, row, IN_FUTURE, "Its time is too far ahead.", self._most_bytes))
            else:
                rows.append((record, row))
        return rows, dead

    def _store_rows(self, rows: Sequence[Row]) -> Sequence[Any]:
        return self._events.store(rows, [encode_rows(rows)], self._execute) if rows else ()

    def _execute(self, statement: bytes, _: Sequence[Row], parameters: dict[str, Any]) -> list[Any]:
        try:
            return execute(self._pool, statement, parameters)
        except psycopg.OperationalError as error:
            if (error.sqlstate or "").startswith(PROGRAM_LIMIT):
                raise psycopg.DataError(str(error.sqlstate)) from error
            raise

    def _keep(self, dead: Sequence[NewRejection]) -> None:
        def waits() -> list[float]:
            now = datetime.now(UTC)
            return [(now - one.received_at).total_seconds() for one in dead]

        attempt(self._pool, lambda connection: keep_rejections(connection, dead, waits))
        sources = sorted({one.source for one in dead})
        attempt(self._pool, lambda connection: remove_surplus(connection, sources, self._kept))


def _headers(record: Message) -> list[tuple[str, bytes | None]]:
    """A record's headers: a list of pairs, unless it has none. The client's declared type has also what producers may pass."""
    return cast(list[tuple[str, bytes | None]], record.headers() or [])
