"""Stores a batch of records: their events by the collector's own statement, then what can't be stored as refused events."""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

import psycopg
from confluent_kafka import Message

from event_tracker.core.postgres.pool import ConnectionPool, attempt, execute
from event_tracker.model.storing.keep_rejections import NewRejection, keep_rejections, remove_surplus
from event_tracker.model.storing.record import Header, OtherVersionError, UnreadableRecordError, read_record
from event_tracker.model.storing.rejection_record import read_rejection_record
from event_tracker.model.storing.row import NotStorableError, Outcome, Row
from event_tracker.model.storing.store_events import UNSTORABLE, EventStore, encode_rows
from event_tracker.streams.storer import metrics
from event_tracker.streams.storer.dead_letters import IN_FUTURE, NOT_STORABLE, reject_record, reject_row

MAX_AHEAD = timedelta(hours=25)
"""Collectors take times of up to 24 hours ahead of their own clock. Only who writes to the topic directly sends a later one."""

PROGRAM_LIMIT = "54"
"""The SQLSTATE class of data that is too complex or too long for PostgreSQL. psycopg counts it among failures of the server."""


class OtherFormatError(Exception):
    """An event in another version of the format, which another version of the storer can read. The message says where it is."""


class Batch(NamedTuple):
    """A batch of records, read.

    Attributes:
        events: with their records.
        refused: the refused events of collectors, with their records.
        dead: the refused events of records that can't be read or stored.
    """

    events: list[tuple[Message, Row]]
    refused: list[tuple[Message, NewRejection]]
    dead: list[tuple[Message, NewRejection]]


class BatchStore:
    """Stores batches. What it does may be done again: events and refused events have ids.

    Args:
        rejections_topic: whose records are refused events. All others are events.
        rejections_kept: how many refused events of each source.
        rejection_bytes: most bytes of each that is made here.
    """

    def __init__(
        self,
        pool: ConnectionPool[psycopg.Connection],
        rejections_topic: str,
        *,
        rejections_kept: int,
        rejection_bytes: int,
    ) -> None:
        self._pool = pool
        self._rejections_topic = rejections_topic
        self._kept = rejections_kept
        self._most_bytes = rejection_bytes
        self._events = EventStore(lambda reason: metrics.LINKS_REFUSED.labels(reason).inc())

    def store(self, records: Sequence[Message]) -> None:
        """Store records. All is committed when it returns.

        Raises:
            OtherFormatError: if an event is in another version of the format. Nothing is stored.
            psycopg.Error: if the database is unavailable, or cancels the statement. A part may be stored.
        """
        started = time.perf_counter()
        batch = self._read(records)
        outcomes: Counter[str] = Counter()
        rows = [row for _, row in batch.events]
        for (record, row), outcome in zip(batch.events, self._store_rows(rows), strict=True):
            if isinstance(outcome, NotStorableError):
                why = f"The database refused this event ({outcome})."
                batch.dead.append((record, reject_row(record, row, NOT_STORABLE, why, self._most_bytes)))
            else:
                outcomes[outcome] += 1
        if rejections := [*batch.refused, *batch.dead]:
            self._keep(rejections)
        outcomes.update(rejection=len(batch.refused), dead=len(batch.dead))
        _measure(outcomes, rows, time.perf_counter() - started)

    def _read(self, records: Sequence[Message]) -> Batch:
        batch = Batch([], [], [])
        latest = datetime.now(UTC) + MAX_AHEAD
        for record in records:
            headers = cast(list[Header], record.headers() or [])  # its declared type has what producers may pass, too
            try:
                if record.topic() == self._rejections_topic:
                    batch.refused.append((record, read_rejection_record(record.value(), headers)))
                    continue
                row = read_record(record.value(), headers)
            except UnreadableRecordError as error:
                if isinstance(error, OtherVersionError) and record.topic() != self._rejections_topic:
                    raise OtherFormatError(_say_where(record, error)) from None
                batch.dead.append((record, reject_record(record, str(error), self._most_bytes)))
                continue
            if row.timestamp > latest:
                dead = reject_row(record, row, IN_FUTURE, "Its time is too far ahead.", self._most_bytes)
                batch.dead.append((record, dead))
            else:
                batch.events.append((record, row))
        return batch

    def _store_rows(self, rows: Sequence[Row]) -> Sequence[Outcome]:
        return self._events.store(rows, [encode_rows(rows)], self._execute) if rows else ()

    def _execute(self, statement: bytes, _: Sequence[Row], parameters: dict[str, Any]) -> list[Any]:
        try:
            return execute(self._pool, statement, parameters)
        except psycopg.OperationalError as error:
            if (error.sqlstate or "").startswith(PROGRAM_LIMIT):
                raise psycopg.DataError(str(error.sqlstate)) from error
            raise

    def _keep(self, refused: Sequence[tuple[Message, NewRejection]]) -> None:
        """Write refused events. If the database refuses them, they are halved; of the one that is left, only its record is kept."""
        rejections = [rejection for _, rejection in refused]

        def measure_waits() -> list[float]:
            now = datetime.now(UTC)
            return [(now - one.received_at).total_seconds() for one in rejections]

        try:
            attempt(self._pool, lambda connection: keep_rejections(connection, rejections, measure_waits))
        except UNSTORABLE:
            ((record, rejection), *others) = refused
            if others:
                middle = len(refused) // 2
                self._keep(refused[:middle])
                self._keep(refused[middle:])
                return
            replaced = reject_record(record, "The database refused this refused event.", self._most_bytes)
            if rejection.reason == replaced.reason:
                raise
            self._keep([(record, replaced)])
            return
        sources = sorted({one.source for one in rejections})
        attempt(self._pool, lambda connection: remove_surplus(connection, sources, self._kept))


def _say_where(record: Message, error: OtherVersionError) -> str:
    return (
        f"The record of topic {record.topic()}, partition {record.partition()}, offset {record.offset()} is newer than this storer: "
        f"{error} Update the storers before the collectors. Nothing is lost: an updated storer goes on with it."
    )


def _measure(outcomes: Counter[str], rows: Sequence[Row], seconds: float) -> None:
    metrics.STATEMENT_SECONDS.observe(seconds)
    metrics.GROUP_RECORDS.observe(outcomes.total())
    for name, number in outcomes.items():
        metrics.RECORDS.labels(name).inc(number)
    if rows:
        oldest = min(row.timestamp for row in rows)
        metrics.EVENT_LAG.observe((datetime.now(UTC) - oldest).total_seconds())
