"""Group commit: requests that arrive while a statement is in flight are stored together by the next one.

There is no timer. An idle collector stores at once; under load the groups grow by themselves, and one COMMIT serves all.
Sources share the groups (`fair_queue`).
"""

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, cast
from uuid import UUID

import gevent
import psycopg
import structlog
from gevent.event import AsyncResult, Event

from event_tracker.collector import metrics
from event_tracker.collector.fair_queue import FairQueue, QueuePlace
from event_tracker.collector.row_encoding import EncodedRows, Row, encode_rows, join_parameters
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import UNAVAILABLE, ConnectionPool, execute

log = structlog.get_logger("collector.writer")

STORE_EVENTS = load_queries("event_tracker.collector")["store_events"]

MAX_SLOT = 32_767
"""The largest smallint."""

UNSTORABLE = (psycopg.DataError, psycopg.IntegrityError)
"""Errors caused by the data. The parser should have refused such an event; the others in its group must still be stored."""

ROUTING_TRIES = 3
"""How often rows are tried whose partition changes meanwhile: their month got its own partition while they waited."""


class NotStorableError(Exception):
    """The database refused this one event."""


Outcome = Literal["stored", "duplicate", "expired"] | NotStorableError
"""The outcome of one event: stored, known already, expired (retention has deleted its time), or the error."""


_Execute = Callable[[Sequence[Row], dict[str, Any]], list[Any]]
"""Runs `store_events` for these rows, with these parameters, and returns its answer."""


class PendingRequest:
    """The rows of one request, and the result for which its greenlet waits."""

    __slots__ = ("elements", "result", "rows")

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.elements = encode_rows(rows)
        self.result: AsyncResult[list[Outcome]] = AsyncResult()


class Writer:
    """Stores events; one greenlet, one statement in flight."""

    def __init__(
        self, pool: ConnectionPool[psycopg.Connection], *, queue_events: int, group_events: int, store_seconds: float
    ) -> None:
        self.pool = pool
        self.group_events = group_events
        self.store_seconds = store_seconds
        self.slot = random.randint(1, MAX_SLOT)  # noqa: S311  # spreads writers, guards nothing
        self._queue: FairQueue[PendingRequest] = FairQueue(queue_events)
        self._arrived = Event()
        self._greenlet = gevent.spawn(self._run)
        metrics.QUEUE_BOUND.set(queue_events)
        metrics.QUEUE_EVENTS.set_function(lambda: self.queued)

    @property
    def queued(self) -> int:
        """Events that wait, or are being read."""
        return self._queue.events

    def reserve(self, source: str, events: int) -> QueuePlace[PendingRequest]:
        """Reserve a place in the queue; use it as a context manager. Do so before events are read: reading costs most.

        Raises:
            Problem: 503 if too many of the source's, or of all, are waiting.
        """
        return self._queue.reserve(source, events)

    def store(self, rows: Sequence[Row], place: QueuePlace[PendingRequest]) -> list[Outcome]:
        """Wait until the rows are committed; return the outcome of each.

        Raises:
            Problem: 503 if the database is unavailable, or the deadline is over.
        """
        waiting = PendingRequest(rows)
        self._queue.put(place, waiting, len(rows))
        self._arrived.set()
        try:
            return cast(list[Outcome], waiting.result.get(timeout=self.store_seconds))
        except gevent.Timeout:
            self._queue.remove(place)
            raise _store_timeout() from None

    def store_on(self, connection: psycopg.Connection, rows: Sequence[Row]) -> list[Outcome]:
        """Store rows in the caller's transaction, without the queue; return the outcome of each if it is committed.

        Raises:
            psycopg.Error: if the database is unavailable, or cancels the statement.
        """

        def execute_on(_: Sequence[Row], parameters: dict[str, Any]) -> list[Any]:
            with connection.transaction():  # a savepoint, so that a refused row doesn't end the caller's transaction
                return connection.execute(STORE_EVENTS, parameters, binary=True).fetchall()

        return self._store(rows, [encode_rows(rows)], execute_on)

    def close(self) -> None:
        """Stop. Call it when no request is waiting any more."""
        self._greenlet.kill()

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            while self._queue:
                self._store_group(self._queue.take(self.group_events))
            self._arrived.clear()

    def _store_group(self, group: list[PendingRequest]) -> None:
        try:
            outcomes = self._store(
                [row for waiting in group for row in waiting.rows],
                [waiting.elements for waiting in group],
                self._execute,
            )
        except Exception as error:  # whatever it is, every waiting request must get it, and the greenlet must go on
            if not isinstance(error, UNAVAILABLE):
                log.exception("storing failed")
            refusal = _store_timeout() if isinstance(error, psycopg.errors.QueryCanceled) else error
            for waiting in group:
                waiting.result.set_exception(refusal)
            return
        start = 0
        for waiting in group:
            waiting.result.set(outcomes[start : start + len(waiting.rows)])
            start += len(waiting.rows)

    def _store(self, rows: Sequence[Row], parts: Sequence[EncodedRows], execute: _Execute) -> list[Outcome]:
        """Store rows. If the database refuses them, halve them until the refused row is alone."""
        for attempt in range(1, ROUTING_TRIES + 1):
            try:
                parameters = {**join_parameters(parts, len(rows)), "slot": self.slot}
                ((*answer, _),) = execute(rows, parameters)
                return _read_outcomes(rows, *answer)
            except UNSTORABLE as error:
                if attempt < ROUTING_TRIES and _is_routing_error(error):
                    continue
                if len(rows) == 1:
                    constraint = error.diag.constraint_name
                    log.warning("the database refused an event", sqlstate=error.sqlstate, constraint=constraint)
                    return [NotStorableError(constraint or error.sqlstate or "unknown")]
                break
        middle = len(rows) // 2
        return [
            outcome
            for half in (rows[:middle], rows[middle:])
            for outcome in self._store(half, [encode_rows(half)], execute)
        ]

    def _execute(self, rows: Sequence[Row], parameters: dict[str, Any]) -> list[Any]:
        """One statement, one COMMIT."""
        started = time.perf_counter()
        answer = execute(self.pool, STORE_EVENTS, parameters)
        metrics.STATEMENT_SECONDS.observe(time.perf_counter() - started)
        metrics.GROUP_SIZE.observe(len(rows))
        metrics.EVENT_LAG.observe((datetime.now(UTC) - min(row.timestamp for row in rows)).total_seconds())
        return answer


def _is_routing_error(error: psycopg.Error) -> bool:
    """True if rows were refused because their partition changed: such a violation names no constraint."""
    return isinstance(error, psycopg.errors.CheckViolation) and error.diag.constraint_name is None


def _store_timeout() -> Problem:
    return Problem(
        503, "store_timeout", "The database took too long. Send the request again: what is stored stays stored once."
    )


def _read_outcomes(
    rows: Sequence[Row],
    stored: int,
    user_ids: list[str] | None,
    timestamps: list[datetime] | None,
    event_ids: list[UUID] | None,
    expired: list[int] | None,
) -> list[Outcome]:
    """The outcomes of rows, from the answer of `store_events`. Of rows with the same key, the first is the new one."""
    if stored == len(rows):
        return ["stored"] * len(rows)
    keys = zip(user_ids or (), timestamps or (), event_ids or (), strict=True)
    new = {(user_id, timestamp, event_id.bytes) for user_id, timestamp, event_id in keys}
    places = frozenset(expired or ())
    outcomes: list[Outcome] = []
    for place, row in enumerate(rows, 1):
        key = (row.user_id, row.timestamp, row.event_id)
        if place in places:
            outcomes.append("expired")
        elif key in new:
            outcomes.append("stored")
            new.discard(key)
        else:
            outcomes.append("duplicate")
    return outcomes
