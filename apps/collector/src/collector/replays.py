"""Replays: refused events that somebody asked to try again go through the parser and the writer, as if they came in now.

Rows stay locked from when they are taken until they are settled, so that two collectors never have the same one, and an
erasure waits for it. If a collector is killed meanwhile, another takes its rows again: they have the same identity as
before, so that what was stored is recognised.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import gevent
import msgspec
import psycopg
import structlog
from psycopg.types.json import Jsonb

from collector import metrics
from collector.catalog import Catalog
from collector.elements import Batch
from collector.event import EventError
from collector.rejections import describe
from collector.schemas import Parsed, Parser
from collector.writer import NotStorableError, Outcome, Writer
from core.cooperation import TimeSlice
from core.numbers import read_float
from core.pool import ConnectionPool, execute
from core.problems import Problem
from core.queries import load_queries

log = structlog.get_logger("collector.replays")

QUERIES = load_queries("collector")

POLL_SECONDS = 1.0

MOST_ROWS = 100
"""Taken at once: some megabytes at most, and one statement of the writer's."""

_read = msgspec.json.Decoder(float_hook=read_float).decode
_write = msgspec.json.Encoder().encode


class Taken(NamedTuple):
    """A refused event that is to be tried again."""

    id: UUID
    source: str
    received_at: datetime
    payload: bytes


class Replays:
    """Looks once a second for refused events to replay; a greenlet does."""

    def __init__(
        self, pool: ConnectionPool[psycopg.Connection], catalog: Catalog, parser: Parser, writer: Writer
    ) -> None:
        self._pool = pool
        self._catalog = catalog
        self._parser = parser
        self._writer = writer
        self._greenlet: gevent.Greenlet[..., None] | None = None
        if pool.max_size > 1:
            self._greenlet = gevent.spawn(self._run)
        else:
            # It would hold the only connection while the writer waits for one.
            log.warning("this collector replays no refused events: POOL_MAX is 1")

    def close(self) -> None:
        """Stop. What was taken and isn't settled is taken again, by another collector or later."""
        if self._greenlet:
            self._greenlet.kill()

    def _run(self) -> None:
        well = True
        while True:
            gevent.sleep(POLL_SECONDS)
            try:
                while self._is_asked() and self._replay_some() == MOST_ROWS:
                    pass
                well = True
            except Exception as error:  # whatever it is, what was asked for is still there to be done
                if well:
                    log.warning("can't replay refused events", error=type(error).__name__)
                well = False

    def _is_asked(self) -> bool:
        ((asked,),) = execute(self._pool, QUERIES["replay_is_asked"], {})
        return bool(asked)

    def _replay_some(self) -> int:
        """Take some, try them, settle them; how many they were."""
        with self._pool.connection() as connection, connection.transaction():
            rows = connection.execute(QUERIES["take_replays"], {"most": MOST_ROWS}, binary=True)
            taken = [Taken(*row) for row in rows]
            if taken:
                # The schema that they are replayed for may have been set a moment ago.
                self._catalog.refresh()
                time_slice = TimeSlice()
                tried = [self._read(one, time_slice) for one in taken]
                valid = [parsed.rows[0] for parsed in tried if parsed.rows]
                _settle(connection, taken, tried, self._writer.store(valid) if valid else [])
        return len(taken)

    def _read(self, taken: Taken, time_slice: TimeSlice) -> Parsed:
        time_slice.yield_when_over()
        try:
            payload = complete(taken)
            one = Batch([payload], is_batch=False, may_hold_nul=b"\\u0000" in payload)
            return self._parser.read(one, source=taken.source, plan=self._catalog.plan_of(taken.source))
        except Problem as problem:  # not JSON, or too large
            return Parsed([], [EventError(0, "", problem.code, problem.detail)], 1, is_batch=False)


def complete(taken: Taken) -> bytes:
    """The payload with the identity that makes a second replay the same event, where it had none of its own."""
    try:
        event = _read(taken.payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return taken.payload
    if not isinstance(event, dict):
        return taken.payload
    if "timestamp" not in event and not _tells_time(event.get("event_id")):
        event["timestamp"] = taken.received_at
    event.setdefault("event_id", taken.id)
    return _write(event)


def _tells_time(event_id: object) -> bool:
    try:
        return msgspec.convert(event_id, UUID).version == 7
    except msgspec.ValidationError:
        return False


def _settle(
    connection: psycopg.Connection, taken: Sequence[Taken], tried: Sequence[Parsed], outcomes: Sequence[Outcome]
) -> None:
    """Forget those that are stored now; of the others, say why they were refused this time."""
    stored: list[UUID] = []
    refused: list[tuple[UUID, str, Jsonb]] = []
    remaining = iter(outcomes)
    for one, parsed in zip(taken, tried, strict=True):
        outcome = next(remaining) if parsed.rows else None
        if isinstance(outcome, bool):
            stored.append(one.id)
            metrics.REPLAYED.labels("stored" if outcome else "duplicate").inc()
            continue
        detail = describe(parsed.errors) if outcome is None else describe([_not_storable(outcome)])
        refused.append((one.id, detail[0]["code"], Jsonb(detail)))
        metrics.REPLAYED.labels("refused").inc()
    if stored:
        connection.execute(QUERIES["forget_rejections"], {"ids": stored}, binary=True)
    if refused:
        columns = dict(zip(("ids", "reasons", "details"), map(list, zip(*refused, strict=True)), strict=True))
        connection.execute(QUERIES["refuse_again"], columns, binary=True)


def _not_storable(outcome: NotStorableError) -> EventError:
    return EventError(0, "", "not_storable", f"The database refused this event ({outcome}).")
