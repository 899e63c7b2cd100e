"""Group commit: requests that arrive while a statement is in flight are stored together by the next one.

There is no timer. An idle collector stores at once; under load the groups grow by themselves, and one COMMIT serves all.
Sources share the groups.
"""

import time
from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import Any, Protocol, cast

import gevent
import psycopg
import structlog
from gevent.event import AsyncResult, Event

from event_tracker.collector import metrics
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import UNAVAILABLE, ConnectionPool, execute
from event_tracker.model.storing.row import Outcome, ReceivedOutcome, Row
from event_tracker.model.storing.store_events import EncodedRows, EventStore, encode_rows

log = structlog.get_logger("collector.writer")


class PendingRequest:
    """A request with a place in the queue, until its rows are taken or its `with` block ends.

    Attributes:
        events: how many events its place is for.
        request_id: of the request, once its events are read.
        rows: the valid ones, once they are read.
        parts: the rows as `encode_rows` makes them.
        result: its greenlet waits for this.
    """

    __slots__ = ("_queue", "events", "parts", "request_id", "result", "rows", "source")

    request_id: str
    rows: Sequence[Row]
    parts: EncodedRows

    def __init__(self, queue: "FairQueue", source: str) -> None:
        self._queue = queue
        self.source = source
        self.events = 0
        self.result: AsyncResult[list[Outcome]] = AsyncResult()

    def __enter__(self) -> "PendingRequest":
        return self

    def __exit__(self, *_: object) -> None:
        self.resize(0)

    def resize(self, events: int) -> None:
        """Change the number of events that its place is for."""
        if events != self.events:
            more = events - self.events
            self.events = events
            self._queue.events += more
            self._queue.events_of[self.source] += more


class FairQueue:
    """Requests to be stored, first in first out for each source. A source that sends much slows down nobody but itself.

    Two rules make it fair. A source has half of the queue at most, counted before its events are read; a source with nothing in
    the queue is always admitted. And each group takes about as many events of each waiting source.

    Attributes:
        most: events that may wait; one source may have half of them. A source's only request is always admitted.
        events: how many wait, or are being read.
        events_of: the same for each source.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.events = 0
        self.events_of: defaultdict[str, int] = defaultdict(int)
        self._most_of_source = (most + 1) // 2
        # By source, in the order in which sources are served in the next group; no queue is empty.
        self._waiting: dict[str, deque[PendingRequest]] = {}

    def __bool__(self) -> bool:
        """Whether a request waits."""
        return bool(self._waiting)

    def reserve(self, source: str, events: int) -> PendingRequest:
        """Reserve a place for so many events; use the request as a context manager.

        Raises:
            Problem: 503 if the queue is full.
        """
        waiting = self.events_of[source]
        if waiting and waiting + events > self._most_of_source:
            raise _queue_full("Too many events of this source")
        if waiting and self.events + events > self.most:
            raise _queue_full("Too many events")
        request = PendingRequest(self, source)
        request.resize(events)
        return request

    def put(self, request: PendingRequest) -> None:
        """Queue a request that has a place."""
        self._waiting.setdefault(request.source, deque()).append(request)

    def remove(self, request: PendingRequest) -> None:
        """Remove a request from the queue, if it still waits."""
        requests = self._waiting.get(request.source) or deque()
        if request in requests:
            requests.remove(request)
        if not requests:
            self._waiting.pop(request.source, None)

    def take(self, most: int) -> list[PendingRequest]:
        """Take the requests that are stored together: up to `most` events, but at least one request.

        The next request is always of the source with the fewest events in the group so far. A source whose next request
        doesn't fit comes first the next time.
        """
        taken: list[PendingRequest] = []
        size = 0
        sources = [(0, position, source) for position, source in enumerate(self._waiting)]  # sorted, so it is a heap
        while sources:
            events_taken, position, source = heappop(sources)
            requests = self._waiting[source]
            events = requests[0].events
            if taken and size + events > most:
                continue
            request = requests.popleft()
            request.resize(0)
            taken.append(request)
            size += events
            if not events_taken or not requests:
                del self._waiting[source]
            if requests:
                self._waiting[source] = requests  # behind the others
                heappush(sources, (events_taken + events, position, source))
        return taken


class EventWriter(Protocol):
    """What stores events, or accepts them: a `Writer`, or a `Buffer`."""

    queue: FairQueue

    def store(self, rows: Sequence[Row], request: PendingRequest) -> Sequence[ReceivedOutcome]:
        """Wait until rows are safe; return the outcome of each."""

    def close(self) -> None:
        """Stop. Call it when no request is waiting any more."""


class Writer:
    """Stores events; one greenlet, one statement in flight.

    Attributes:
        queue: the requests that wait. Reserve a place in it before the events of a request are read: reading costs most.
    """

    def __init__(
        self,
        pool: ConnectionPool[psycopg.Connection],
        events: EventStore,
        *,
        queue_events: int,
        group_events: int,
        store_seconds: float,
    ) -> None:
        self.pool = pool
        self._events = events
        self.group_events = group_events
        self.store_seconds = store_seconds
        self.queue = FairQueue(queue_events)
        self._arrived = Event()
        self._greenlet = gevent.spawn(self._run)
        metrics.QUEUE_BOUND.set(queue_events)
        metrics.QUEUE_EVENTS.set_function(lambda: self.queue.events)

    def store(self, rows: Sequence[Row], request: PendingRequest) -> list[Outcome]:
        """Wait until the rows of a request are committed; return the outcome of each.

        Raises:
            Problem: 503 if the database is unavailable, or the deadline is over.
        """
        request.rows, request.parts = rows, encode_rows(rows)
        request.resize(len(rows))
        self.queue.put(request)
        self._arrived.set()
        try:
            return cast(list[Outcome], request.result.get(timeout=self.store_seconds))
        except gevent.Timeout:
            self.queue.remove(request)
            raise _store_timeout() from None

    def close(self) -> None:
        """Stop. Call it when no request is waiting any more."""
        self._greenlet.kill()

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            while self.queue:
                self._store_group(self.queue.take(self.group_events))
            self._arrived.clear()

    def _store_group(self, group: list[PendingRequest]) -> None:
        try:
            outcomes = self._events.store(
                [row for waiting in group for row in waiting.rows],
                [waiting.parts for waiting in group],
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

    def _execute(self, statement: bytes, rows: Sequence[Row], parameters: dict[str, Any]) -> list[Any]:
        """One statement, one COMMIT."""
        started = time.perf_counter()
        answer = execute(self.pool, statement, parameters)
        metrics.STATEMENT_SECONDS.observe(time.perf_counter() - started)
        metrics.GROUP_SIZE.observe(len(rows))
        metrics.EVENT_LAG.observe((datetime.now(UTC) - min(row.timestamp for row in rows)).total_seconds())
        return answer


def _store_timeout() -> Problem:
    return Problem(
        503, "store_timeout", "The database took too long. Send the request again: what is stored stays stored once."
    )


def _queue_full(what: str) -> Problem:
    detail = f"{what} are waiting to be stored. Nothing of this request is stored: send it again."
    return Problem(503, "queue_full", detail)
