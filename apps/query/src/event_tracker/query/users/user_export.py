"""Everything that is stored of a user, as one file: JSON, or NDJSON with one row a line."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import ConnectionPool, execute
from event_tracker.query import metrics
from event_tracker.query.auth.people import QUERIES as ACCESS_QUERIES
from event_tracker.query.auth.principal import Principal, quota_holder_of
from event_tracker.query.concurrency import EXPORT_TURN_SECONDS, TURN_SECONDS, take_turn
from event_tracker.query.events.cursor import NIL
from event_tracker.query.parameter_types import EARLIEST
from event_tracker.query.users.user_erasure import QUERIES

PAGE_ROWS = 500
PAGE_EVENTS = 100
"""Each may have 64 KiB."""

LATEST_STORED = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
LAST_ID = UUID(int=2**128 - 1)

Table = tuple[str, Iterator[list[Any]]]
"""A table's name, and its rows a page at a time."""

Execute = Callable[[str, dict[str, Any]], list[Any]]
"""Asks a statement of queries.sql."""

FORMATS = {"json": "application/json", "ndjson": "application/x-ndjson"}
"""What it is written as, and the media type."""

_encode = msgspec.json.Encoder().encode


class Exporter:
    """Reads what is stored of users. No snapshot is held: it reads a page after the other, each at its own moment.

    Args:
        turns: at the pool's connections; each page takes one.
    """

    def __init__(self, control: ConnectionPool[psycopg.Connection], concurrency_limit: ConcurrencyLimit) -> None:
        self._control = control
        self._concurrency_limit = concurrency_limit

    def parts(self, user_id: str, principal: Principal, form: str) -> Iterator[bytes]:
        """The parts of the file, as far as the principal may see what is in it.

        Raises:
            Problem: 404 if nothing is stored, or as `take_turn` does.
        """
        seconds = TURN_SECONDS

        def ask(statement: str, parameters: dict[str, Any]) -> list[Any]:
            with take_turn(self._concurrency_limit, quota_holder_of(principal), seconds):
                return execute(self._control, QUERIES[statement], parameters)

        sources = None if principal.sources is None else sorted(principal.sources)
        given = {"user_id": user_id, "sources": sources}
        ((known, at),) = ask("is_known", given)
        if not known:
            raise Problem(404, "user_not_found", "Nothing of this user is stored.")
        self._audit(user_id, principal)
        seconds = EXPORT_TURN_SECONDS
        tables = [("events", _events(ask, given)), ("rejections", _rejections(ask, given))]
        if sources is None:
            # These don't belong to a source.
            tables += [("users", _users(ask, given)), ("visits", _visits(ask, given))]
        head = {"user_id": user_id, "exported_at": at, "sources": sources}
        return (_json if form == "json" else _ndjson)(head, tables)

    def _audit(self, user_id: str, principal: Principal) -> None:
        """Write down who asked, and for whom so that only who knows the id finds it."""
        target = hashlib.sha256(user_id.encode()).hexdigest()
        entry = {"action": "export_user", "target": target, "source": None, "detail": Jsonb({})}
        execute(self._control, ACCESS_QUERIES["write_audit"], {"actor": principal.name, **entry})


def _events(ask: Execute, given: dict[str, Any]) -> Iterator[list[Any]]:
    exported = metrics.EVENTS_EXPORTED.labels("user")
    after: tuple[Any, ...] = (LATEST_STORED, LATEST_STORED, LAST_ID)
    while True:
        place = dict(zip(("after_timestamp", "after_received_at", "after_event_id"), after, strict=True))
        rows = ask("export_events", {**given, **place, "rows": PAGE_EVENTS})
        yield [_event(*row) for row in rows]
        exported.inc(len(rows))
        if len(rows) < PAGE_EVENTS:
            return
        after = (rows[-1][2], rows[-1][6], rows[-1][3])


def _rejections(ask: Execute, given: dict[str, Any]) -> Iterator[list[Any]]:
    after = NIL
    while True:
        rows = ask("export_rejections", {**given, "after_id": after, "rows": PAGE_EVENTS})
        yield [_rejection(*row) for row in rows]
        if len(rows) < PAGE_EVENTS:
            return
        after = rows[-1][0]


def _users(ask: Execute, given: dict[str, Any]) -> Iterator[list[Any]]:
    yield _named(("first_seen", "last_hour"), ask("export_user", given))


def _visits(ask: Execute, given: dict[str, Any]) -> Iterator[list[Any]]:
    names = ("day", "session_id", "first", "last", "event_types")
    after: tuple[Any, ...] = (EARLIEST, "", EARLIEST)
    while True:
        place = dict(zip(("after_day", "after_session_id", "after_first"), after, strict=True))
        rows = ask("export_visits", {**given, **place, "rows": PAGE_ROWS})
        yield _named(names, rows)
        if len(rows) < PAGE_ROWS:
            return
        after = rows[-1][:3]


def _event(
    user_id: str,
    event_type: str,
    timestamp: datetime,
    event_id: UUID,
    session_id: str | None,
    properties: str,
    received_at: datetime,
    source: str,
    violations: str | None,
) -> dict[str, Any]:
    """As GET /events has it, and what it violates of its schema, if anything."""
    event: dict[str, Any] = {
        "user_id": user_id,
        "event_type": event_type,
        "timestamp": timestamp,
        "event_id": event_id,
        "session_id": session_id,
        "properties": msgspec.Raw(properties.encode()),
        "received_at": received_at,
        "source": source,
    }
    return event if violations is None else {**event, "violations": msgspec.Raw(violations.encode())}


def _rejection(number: UUID, *row: Any) -> dict[str, Any]:
    """A refused event. Its payload is told as text, or in base64 (`payload_base64`) if it isn't text."""
    names = ("source", "received_at", "reason", "detail", "event_type", "payload", "is_whole")
    rejection = {"id": number, **dict(zip(names, row, strict=True))}
    payload: bytes = rejection.pop("payload")
    try:
        return {**rejection, "payload": payload.decode()}
    except UnicodeDecodeError:
        return {**rejection, "payload_base64": payload}


def _named(names: Iterable[str], rows: Iterable[Any]) -> list[Any]:
    return [dict(zip(names, row, strict=True)) for row in rows]


def _json(head: dict[str, Any], tables: Iterable[Table]) -> Iterator[bytes]:
    """One object: the head's members, and a list for each table."""
    yield _encode(head)[:-1]
    for name, pages in tables:
        before = b',"' + name.encode() + b'":['
        for page in pages:
            if page:
                yield before + _encode(page)[1:-1]
                before = b","
        yield b"]" if before == b"," else before + b"]"
    yield b"}\n"


def _ndjson(head: dict[str, Any], tables: Iterable[Table]) -> Iterator[bytes]:
    """A line for the head, and one for each row, which says what table it is of."""
    lines: Callable[[Iterable[Any]], bytes] = msgspec.json.Encoder().encode_lines
    yield lines([head])
    for name, pages in tables:
        for page in pages:
            yield lines([{"table": name, "row": row} for row in page])
