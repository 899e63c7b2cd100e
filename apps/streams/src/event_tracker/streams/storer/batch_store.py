"""Stores a batch of records: their events by the collector's own statement, then what can't be stored as refused events."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import psycopg
from confluent_kafka import Message

from event_tracker.core.postgres.pool import ConnectionPool, attempt
from event_tracker.model.storing.keep_rejections import NewRejection, keep_rejections, remove_surplus
from event_tracker.model.storing.record import (
    MAX_AHEAD,
    OtherVersionError,
    UnreadableRecordError,
    read_headers,
    read_record,
)
from event_tracker.model.storing.rejection_record import read_rejection_record
from event_tracker.model.storing.row import NotStorableError, Outcome, Row
from event_tracker.model.storing.store_events import UNSTORABLE, EventStore, encode_rows
from event_tracker.model.storing.topic_erasures import ErasuresChangedError
from event_tracker.streams.storer import metrics
from event_tracker.streams.storer.dead_letters import IN_FUTURE, NOT_STORABLE, reject_record, reject_row
from event_tracker.streams.storer.erased_users import ErasedUsers

PROGRAM_LIMIT = "54"
"""The SQLSTATE class of data that is too complex or too long for PostgreSQL. psycopg counts it among failures of the server."""

Result = TypeVar("Result")


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
        erased: tells whose records aren't stored.
        rejections_topic: whose records are refused events. All others are events.
        rejections_kept: how many refused events of each source.
        rejection_bytes: most bytes of each that is made here.
    """

    def __init__(
        self,
        pool: ConnectionPool[psycopg.Connection],
        erased: ErasedUsers,
        rejections_topic: str,
        *,
        rejections_kept: int,
        rejection_bytes: int,
    ) -> None:
        self._pool = pool
        self._erased = erased
        self._rejections_topic = rejections_topic
        self._kept = rejections_kept
        self._max_bytes = rejection_bytes
        self._events = EventStore(lambda reason: metrics.LINKS_REFUSED.labels(reason).inc())

    def store(self, records: Sequence[Message]) -> None:
        """Store records. All is committed when it returns.

        Raises:
            OtherFormatError: if an event is in another version of the format. Nothing is stored.
            KafkaUnreachableError: before the first batch, if no broker tells what the topics are.
            psycopg.Error: if the database is unavailable, or cancels the statement. A part may be stored.
        """
        started = time.perf_counter()
        read = self._read(records)
        self._erased.prepare()
        while True:
            try:
                outcomes, rows = self._store(read)
                break
            except ErasuresChangedError:
                continue
        _measure(outcomes, rows, time.perf_counter() - started)

    def _store(self, read: Batch) -> tuple[Counter[str], Sequence[Row]]:
        """Store all but what is of erased users; return the outcomes, and the rows of events.

        Raises:
            ErasuresChangedError: if somebody was erased meanwhile. A part may be stored, of nobody who was.
        """
        batch = self._leave_out(read)
        outcomes: Counter[str] = Counter(erased=_count(read) - _count(batch))
        rows = [row for _, row in batch.events]
        for (record, row), outcome in zip(batch.events, self._store_rows(rows), strict=True):
            if isinstance(outcome, NotStorableError):
                why = f"The database refused this event ({outcome})."
                batch.dead.append((record, reject_row(record, row, NOT_STORABLE, why, self._max_bytes)))
            else:
                outcomes[outcome] += 1
        if rejections := [*batch.refused, *batch.dead]:
            self._keep(rejections)
        outcomes.update(rejection=len(batch.refused), dead=len(batch.dead))
        return outcomes, rows

    def _leave_out(self, batch: Batch) -> Batch:
        """The batch without what is of users who were erased since it was written."""
        is_erased = self._erased.is_erased
        return Batch(
            [(record, row) for record, row in batch.events if not is_erased(record, row.user_id, row.source)],
            [(record, one) for record, one in batch.refused if not is_erased(record, one.user_id, one.source)],
            [(record, one) for record, one in batch.dead if not is_erased(record, one.user_id, one.source)],
        )

    def _read(self, records: Sequence[Message]) -> Batch:
        batch = Batch([], [], [])
        latest = datetime.now(UTC) + MAX_AHEAD
        for record in records:
            headers = read_headers(record)
            try:
                if record.topic() == self._rejections_topic:
                    batch.refused.append((record, read_rejection_record(record.value(), headers)))
                    continue
                row = read_record(record.value(), headers)
            except UnreadableRecordError as error:
                if isinstance(error, OtherVersionError) and record.topic() != self._rejections_topic:
                    raise OtherFormatError(_say_where(record, error)) from None
                batch.dead.append((record, reject_record(record, str(error), self._max_bytes)))
                continue
            if row.timestamp > latest:
                dead = reject_row(record, row, IN_FUTURE, "Its time is too far ahead.", self._max_bytes)
                batch.dead.append((record, dead))
            else:
                batch.events.append((record, row))
        return batch

    def _store_rows(self, rows: Sequence[Row]) -> Sequence[Outcome]:
        return self._events.store(rows, [encode_rows(rows)], self._execute) if rows else ()

    def _execute(self, statement: bytes, _: Sequence[Row], parameters: dict[str, Any]) -> list[Any]:
        try:
            return self._run(lambda connection: connection.execute(statement, parameters, binary=True).fetchall())
        except psycopg.OperationalError as error:
            if (error.sqlstate or "").startswith(PROGRAM_LIMIT):
                raise psycopg.DataError(str(error.sqlstate)) from error
            raise

    def _run(self, work: Callable[[psycopg.Connection], Result]) -> Result:
        """Run `work` in a transaction that no erasure is beside.

        Raises:
            ErasuresChangedError: if there are others than those that are known.
        """

        def run(connection: psycopg.Connection) -> Result:
            with connection.transaction():
                self._erased.hold(connection)
                return work(connection)

        return attempt(self._pool, run)

    def _keep(self, refused: Sequence[tuple[Message, NewRejection]]) -> None:
        """Write refused events. If the database refuses them, they are halved; of the one that is left, only its record is kept."""
        rejections = [rejection for _, rejection in refused]

        def measure_waits() -> list[float]:
            now = datetime.now(UTC)
            return [(now - one.received_at).total_seconds() for one in rejections]

        try:
            self._run(lambda connection: keep_rejections(connection, rejections, measure_waits))
        except UNSTORABLE:
            ((record, rejection), *others) = refused
            if others:
                middle = len(refused) // 2
                self._keep(refused[:middle])
                self._keep(refused[middle:])
                return
            replaced = reject_record(record, "The database refused this refused event.", self._max_bytes)
            if rejection.reason == replaced.reason:
                raise
            self._keep([(record, replaced)])
            return
        sources = sorted({one.source for one in rejections})
        attempt(self._pool, lambda connection: remove_surplus(connection, sources, self._kept))


def _count(batch: Batch) -> int:
    return sum(len(part) for part in batch)


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
