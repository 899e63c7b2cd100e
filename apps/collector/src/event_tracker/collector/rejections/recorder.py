"""Stores refused events for a while, so that the owner of a source can see the mistakes, fix them, and replay the events.

A background loop writes them once a second; no request waits for it. Events that don't fit into the queue are dropped and counted.
How many are kept of each source, and for how long, is bounded.
"""

import re
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID
from wsgiref.types import WSGIEnvironment

import msgspec
import psycopg
import structlog
from uuid_utils import uuid7

from event_tracker.collector import metrics
from event_tracker.collector.parsing.batch import UNREADABLE
from event_tracker.collector.parsing.parser import ParseResult, RefusedEvent
from event_tracker.collector.parsing.validation_errors import read_lenient
from event_tracker.core.background import BackgroundLoop
from event_tracker.core.json_numbers import read_float
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import UNAVAILABLE, ConnectionPool, attempt, execute
from event_tracker.core.server.cooperation import TimeSlice
from event_tracker.model.event import EventError
from event_tracker.model.storing.keep_rejections import NewRejection, keep_rejections, remove_surplus, storable_text

log = structlog.get_logger("collector.rejections")

QUERIES = load_queries("event_tracker.collector")

QUEUE_ROWS = 1000
QUEUE_BYTES = 16 * 1024 * 1024
"""What may wait to be written: also the most that is written in a second."""

SOURCE_PARTS = 2
"""A source may use one of so many parts of the queue: the rest is left for others."""

MAX_WAIT_SECONDS = 3600.0
"""Events that have waited longer are dropped. It must be less than the two hours for which erasures are remembered."""

PAUSE_SECONDS = 1.0
REMOVE_SECONDS = 60.0
"""How often events that are too old are removed. Surplus ones are removed at each write."""

MAX_ERRORS = 20
MAX_POINTER = 1000
MAX_USER_ID = 200
MAX_EVENT_TYPE = 100

PRODUCT = re.compile(r"[!-~]{1,100}")
"""The first product of a User-Agent header (RFC 9110 section 10.1.5)."""

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that can't be set. Where CLOCK_BOOTTIME exists, it also counts the time in which the machine sleeps."""


class PendingRejection(NamedTuple):
    """A refused event that isn't written yet, and when it arrived, by `read_clock`."""

    rejection: NewRejection
    since: float


class _UserAndType(msgspec.Struct):
    """The fields that are read from a payload."""

    user_id: Any = None
    event_type: Any = None


_decode_user_and_type = msgspec.json.Decoder(_UserAndType, float_hook=read_float).decode


class Sender(Protocol):
    """What sends refused events elsewhere, in place of storing them."""

    def fits(self, source: str) -> bool:
        """Whether one more of this source may wait."""

    def send(self, rejection: NewRejection) -> bool:
        """Send it, without waiting; return whether it was possible."""


class RejectionRecorder:
    """Stores refused events.

    Args:
        kept: how many of each source; 0 stores none.
        days: for how long.
        most_bytes: most bytes of a payload; a longer one is cut off.
        sender: sends them elsewhere, if it is given. Then only those that are too old are removed here.
    """

    def __init__(
        self,
        pool: ConnectionPool[psycopg.Connection],
        *,
        kept: int,
        days: int,
        most_bytes: int,
        sender: Sender | None = None,
    ) -> None:
        self._pool = pool
        self._sender = sender
        self._kept = kept
        self._days = days
        self._most_bytes = most_bytes
        self._queue: list[PendingRejection] = []
        self._bytes = 0
        self._of_source: Counter[str] = Counter()
        self._removed = float("-inf")
        self._loop = BackgroundLoop(
            self._write_or_drop,
            PAUSE_SECONDS,
            lambda error: log.warning("can't keep refused events", error=type(error).__name__),
        )

    def keep(self, source: str, parsed: ParseResult, client: str | None = None) -> None:
        """Queue the refused events of a request, as far as they fit. Doesn't wait, but lets other requests run.

        Args:
            client: which program sent them.
        """
        if not self._kept:
            return
        now, since = datetime.now(UTC), read_clock()
        errors: dict[int, list[EventError]] = {}
        for error in parsed.errors:
            errors.setdefault(error.index, []).append(error)
        dropped = 0
        time_slice = TimeSlice()
        for refused in parsed.refused:
            size = min(len(refused.raw), self._most_bytes)
            is_kept = self._fits(source, size)
            if is_kept:
                place = f"/{refused.position}" if parsed.is_batch else ""
                detail = describe(errors[refused.position], place)
                rejection = _make_rejection(source, now, refused, detail, self._most_bytes, client)
                is_kept = self._put(rejection, since)
            dropped += not is_kept
            time_slice.yield_when_over()
        if dropped:
            metrics.REJECTIONS_DROPPED.inc(dropped)

    def close(self) -> None:
        """Stop, and write what waits."""
        self._loop.close()
        try:
            self._write()
        except UNAVAILABLE:
            metrics.REJECTIONS_DROPPED.inc(len(self._queue))
            log.info("refused events aren't kept: the database is unavailable", events=len(self._queue))

    def _put(self, rejection: NewRejection, since: float) -> bool:
        """Send or queue a refused event; return whether it was possible."""
        if self._sender:
            return self._sender.send(rejection)
        self._queue.append(PendingRejection(rejection, since))
        self._bytes += len(rejection.payload)
        self._of_source[rejection.source] += 1
        return True

    def _fits(self, source: str, size: int) -> bool:
        if self._sender:
            return self._sender.fits(source)
        return (
            len(self._queue) < QUEUE_ROWS
            and self._of_source[source] < QUEUE_ROWS // SOURCE_PARTS
            and self._bytes + size <= QUEUE_BYTES
        )

    def _write_or_drop(self) -> None:
        """Write the queue, and now and then remove old events. Drop the queue if the database refuses something in it."""
        try:
            self._write()
            if time.monotonic() - self._removed > REMOVE_SECONDS:
                self._remove_old()
        except Exception as error:
            if not isinstance(error, UNAVAILABLE):
                self._drop_all()
            raise

    def _write(self) -> None:
        """Write the queue. If that fails, it stays queued. Events have ids, so none is written twice.

        Events of users that were erased since are dropped.
        """
        self._drop_overdue()
        waiting = list(self._queue)
        if not waiting:
            return
        erased = attempt(self._pool, lambda connection: write(connection, waiting))
        metrics.REJECTIONS_KEPT.inc(len(waiting) - erased)
        metrics.REJECTIONS_DROPPED.inc(erased)
        del self._queue[: len(waiting)]
        self._count_queue()
        sources = {one.rejection.source for one in waiting}
        attempt(self._pool, lambda connection: remove_surplus(connection, list(sources), self._kept))

    def _drop_overdue(self) -> None:
        first = read_clock() - MAX_WAIT_SECONDS
        if not self._queue or self._queue[0].since >= first:
            return
        kept = [waiting for waiting in self._queue if waiting.since >= first]
        metrics.REJECTIONS_DROPPED.inc(len(self._queue) - len(kept))
        self._queue[:] = kept
        self._count_queue()

    def _drop_all(self) -> None:
        """Drop the queue: the database refuses something in it, which would block all later events."""
        metrics.REJECTIONS_DROPPED.inc(len(self._queue))
        self._queue.clear()
        self._count_queue()

    def _count_queue(self) -> None:
        self._bytes = sum(len(waiting.rejection.payload) for waiting in self._queue)
        self._of_source = Counter(waiting.rejection.source for waiting in self._queue)

    def _remove_old(self) -> None:
        execute(self._pool, QUERIES["remove_old_rejections"], {"days": self._days})
        self._removed = time.monotonic()


def read_clock() -> float:
    """What our own clock says: `PendingRejection.since` is by it."""
    return time.clock_gettime(_CLOCK)


def write(connection: psycopg.Connection, waiting: Sequence[PendingRejection]) -> int:
    """Write refused events; return how many were left out, because their user was erased since."""

    def measure_waits() -> list[float]:
        now = read_clock()
        return [now - one.since for one in waiting]

    return keep_rejections(connection, [one.rejection for one in waiting], measure_waits)


def describe(errors: Sequence[EventError], place: str = "") -> list[dict[str, Any]]:
    """The errors of one event as they are stored: without its position in the request, limited in number and length."""
    described: list[dict[str, Any]] = msgspec.to_builtins(errors[:MAX_ERRORS])
    for error in described:
        del error["index"]
        # PostgreSQL can't store U+0000, and the name of a refused member may contain it.
        error["pointer"] = error["pointer"].removeprefix(place).replace("\0", "\ufffd")[:MAX_POINTER]
    return described


def _make_rejection(
    source: str,
    now: datetime,
    refused: RefusedEvent,
    detail: list[dict[str, Any]],
    most_bytes: int,
    client: str | None = None,
) -> NewRejection:
    named = _read_user_and_type(refused.raw, most_bytes)
    return NewRejection(
        UUID(bytes=uuid7().bytes),
        source,
        now,
        detail[0]["code"],
        detail,
        storable_text(named.event_type, MAX_EVENT_TYPE),
        storable_text(named.user_id, MAX_USER_ID),
        refused.raw[:most_bytes],
        len(refused.raw) <= most_bytes,
        client,
    )


def read_client(environ: WSGIEnvironment) -> str | None:
    """Which program sent a request, by its User-Agent, such as `python-requests/2.32.5`. None for browsers: what a person's browser says
    of itself isn't stored."""
    found = PRODUCT.match(environ.get("HTTP_USER_AGENT", ""))
    return None if found is None or found[0].startswith("Mozilla/") else found[0]


def _read_user_and_type(raw: bytes, most_bytes: int) -> _UserAndType:
    """Read the user's id and the event type from a payload, as far as possible."""
    try:
        return _decode_user_and_type(raw)
    except UNREADABLE:
        pass
    try:
        event = read_lenient(raw.decode()) if len(raw) <= most_bytes else None
    except (ValueError, RecursionError):
        event = None
    return _UserAndType(event.get("user_id"), event.get("event_type")) if isinstance(event, dict) else _UserAndType()
