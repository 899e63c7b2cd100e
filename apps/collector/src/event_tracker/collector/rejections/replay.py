"""Replays refused events on request: they go through the parser again and are stored as if they arrived now.

Rows are locked from when they are taken until the transaction ends, so that two collectors never replay the same one, and an
erasure waits for it. The events are stored in the same transaction, not by the writer's greenlet: on another connection they
could be stored after this one broke and an erasure passed, and the erased user would be back. If a collector is killed, its
transaction is rolled back, and another collector takes the rows. A replayed event has the identity that it would have had:
one that was stored already is recognised.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg.types.json import Jsonb

from event_tracker.collector import metrics
from event_tracker.collector.authentication import SourceCache
from event_tracker.collector.parsing.batch import UNREADABLE, WHITESPACE, Batch
from event_tracker.collector.parsing.parser import Parser, ParseResult
from event_tracker.collector.rejections.recorder import describe
from event_tracker.collector.tracking_plan.slow_checks import BusyError
from event_tracker.core.background import BackgroundLoop
from event_tracker.core.http.errors import Problem
from event_tracker.core.json_numbers import read_float
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool, execute
from event_tracker.core.postgres.unstorable import replace_unstorable
from event_tracker.core.server.cooperation import TimeSlice
from event_tracker.model.event import PAST_RETENTION, EventError
from event_tracker.model.storing.row import NotStorableError, Outcome
from event_tracker.model.storing.store_events import EventStore

log = structlog.get_logger("collector.replays")

QUERIES = load_queries("event_tracker.collector")

POLL_SECONDS = 1.0

MAX_ROWS = 100
"""Rows taken at once: some megabytes at most, stored by one statement."""

_write = msgspec.json.Encoder().encode


class _Identity(msgspec.Struct):
    """The fields that are read from a payload. Without the first two it isn't an event."""

    user_id: Any
    event_type: Any
    timestamp: Any = None
    event_id: Any = None


_decode_identity = msgspec.json.Decoder(_Identity, float_hook=read_float).decode


class ReplayCandidate(NamedTuple):
    """A refused event that is to be tried again."""

    id: UUID
    source: str
    received_at: datetime
    payload: bytes


class Replayer:
    """Replays refused events; a background loop looks for requests once a second."""

    def __init__(
        self, pool: ConnectionPool[psycopg.Connection], source_cache: SourceCache, parser: Parser, events: EventStore
    ) -> None:
        self._pool = pool
        self._source_cache = source_cache
        self._parser = parser
        self._events = events
        self._loop: BackgroundLoop | None = None
        if pool.max_size > 1:
            self._loop = BackgroundLoop(
                self._replay_all,
                POLL_SECONDS,
                lambda error: log.warning("can't replay refused events", error=type(error).__name__),
            )
        else:
            # It would hold the only connection while the source cache waits for one.
            log.warning("this collector replays no refused events: POOL_MAX is 1")

    def close(self) -> None:
        """Stop. Events that were taken and not stored are taken again, by another collector or later."""
        if self._loop:
            self._loop.close()

    def _replay_all(self) -> None:
        """Replay what is requested. If that fails, the requests are still in the database."""
        while self._is_replay_requested() and self._replay_some() == MAX_ROWS:
            pass

    def _is_replay_requested(self) -> bool:
        ((asked,),) = execute(self._pool, QUERIES["replay_is_asked"], {})
        return bool(asked)

    def _replay_some(self) -> int:
        """Take some events, try them, write the results; return how many. Untried events are taken again later."""
        with self._pool.connection() as connection, connection.transaction():
            rows = connection.execute(QUERIES["take_replays"], {"most": MAX_ROWS}, binary=True)
            taken = [ReplayCandidate(*row) for row in rows]
            if taken:
                # The schema that they are replayed for may have been set a moment ago.
                self._source_cache.refresh()
                tried = self._try(taken)
                taken = taken[: len(tried)]
                valid = [parsed.rows[0] for parsed in tried if parsed.rows]
                _settle(connection, taken, tried, self._events.store_on(connection, valid) if valid else [])
        return len(taken)

    def _try(self, taken: Sequence[ReplayCandidate]) -> list[ParseResult]:
        """Parse the events, up to the first for whose check there is no time at present."""
        time_slice = TimeSlice()
        tried: list[ParseResult] = []
        with suppress(BusyError):
            for one in taken:
                time_slice.yield_when_over()
                tried.append(self._read(one))
        return tried

    def _read(self, taken: ReplayCandidate) -> ParseResult:
        try:
            payload = complete(taken)
            one = Batch([payload], is_batch=False)
            return self._parser.read(one, source=taken.source, plan=self._source_cache.find_plan(taken.source))
        except Problem as problem:  # not JSON, or too large
            if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
                raise BusyError from None
            return ParseResult([], [EventError(0, "", problem.code, problem.detail)], 1, is_batch=False)


def complete(taken: ReplayCandidate) -> bytes:
    """Add an identity to the payload if it has none, so that a second replay gives the same event.

    It is added as text. Decoding and encoding the payload would lose what the decoder refuses and the parser accepts.
    """
    try:
        event = _decode_identity(replace_unstorable(taken.payload))
    except UNREADABLE:
        return taken.payload
    added: dict[str, Any] = {}
    if event.timestamp is None and not _has_time(event.event_id):
        added["timestamp"] = taken.received_at
    if event.event_id is None:
        added["event_id"] = taken.id
    if not added:
        return taken.payload
    return taken.payload.rstrip(WHITESPACE).removesuffix(b"}") + b"," + _write(added)[1:]


def _has_time(event_id: object) -> bool:
    try:
        return msgspec.convert(event_id, UUID).version == 7
    except msgspec.ValidationError:
        return False


def _settle(
    connection: psycopg.Connection,
    taken: Sequence[ReplayCandidate],
    tried: Sequence[ParseResult],
    outcomes: Sequence[Outcome],
) -> None:
    """Delete the events that are stored now; write for the others why they were refused this time."""
    stored: list[UUID] = []
    refused: list[tuple[UUID, str, Jsonb]] = []
    remaining = iter(outcomes)
    for one, parsed in zip(taken, tried, strict=True):
        outcome = next(remaining) if parsed.rows else None
        if outcome == "stored" or outcome == "duplicate":
            stored.append(one.id)
            metrics.REPLAYED.labels(outcome).inc()
            continue
        detail = describe([_explain(outcome)] if outcome else parsed.errors)
        refused.append((one.id, detail[0]["code"], Jsonb(detail)))
        metrics.REPLAYED.labels("refused").inc()
    if stored:
        connection.execute(QUERIES["forget_rejections"], {"ids": stored}, binary=True)
    if refused:
        columns = dict(zip(("ids", "reasons", "details"), map(list, zip(*refused, strict=True)), strict=True))
        connection.execute(QUERIES["refuse_again"], columns, binary=True)


def _explain(outcome: Literal["expired"] | NotStorableError) -> EventError:
    """The error of a valid event that isn't stored."""
    if outcome == "expired":
        return EventError(0, "", "expired", PAST_RETENTION)
    return EventError(0, "", "not_storable", f"The database refused this event ({outcome}).")
