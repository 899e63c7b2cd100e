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
from event_tracker.core.postgres.pool import ConnectionPool, attempt, execute
from event_tracker.query import metrics
from event_tracker.query.auth.principal import Principal, quota_holder_of
from event_tracker.query.auth.staff import QUERIES as ACCESS_QUERIES
from event_tracker.query.concurrency import EXPORT_TURN_SECONDS, TURN_SECONDS, take_turn
from event_tracker.query.events.event_pages import NIL
from event_tracker.query.identity import Identity
from event_tracker.query.users.user_erasure import QUERIES
from event_tracker.query.users.user_ids import find_ids

PAGE_EVENTS = 100
"""Events, or rejections, on a page. Each may have 64 KiB."""

LATEST_STORED = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
LAST_ID = UUID(int=2**128 - 1)

Table = tuple[str, Iterator[list[Any]]]
"""A table's name, and its rows page by page."""

Execute = Callable[[str, dict[str, Any]], list[Any]]
"""Runs a statement of queries.sql and returns its rows."""

FORMATS = {"json": "application/json", "ndjson": "application/x-ndjson"}
"""Format → media type."""

_encode = msgspec.json.Encoder().encode


class Exporter:
    """Exports what is stored of a user. It reads page after page and holds no snapshot: each page is read at its own moment.

    Args:
        concurrency_limit: for the pool's connections. Each page waits for a turn.
    """

    def __init__(self, control: ConnectionPool[psycopg.Connection], concurrency_limit: ConcurrencyLimit) -> None:
        self._control = control
        self._concurrency_limit = concurrency_limit

    def parts(self, user_id: str, identity: Identity, principal: Principal, form: str) -> Iterator[bytes]:
        """The parts of the file, with what the principal may see.

        Raises:
            Problem: 404 if nothing is stored, 422 if the person has too many ids, or as `take_turn` does.
        """
        seconds = TURN_SECONDS

        def fetch(statement: str, parameters: dict[str, Any]) -> list[Any]:
            with take_turn(self._concurrency_limit, quota_holder_of(principal), seconds):
                return execute(self._control, QUERIES[statement], parameters)

        sources = None if principal.sources is None else sorted(principal.sources)
        with take_turn(self._concurrency_limit, quota_holder_of(principal), seconds):
            ids = attempt(self._control, lambda connection: find_ids(connection, user_id, identity, sources))
        given = {"user_ids": ids, "sources": sources}
        ((known, at),) = fetch("is_known", given)
        if not known:
            raise Problem(404, "user_not_found", "Nothing of this user is stored.")
        self._audit(user_id, principal)
        seconds = EXPORT_TURN_SECONDS
        tables = [
            ("events", _events(fetch, given)),
            ("rejections", _rejections(fetch, given)),
            ("links", _links(fetch, given)),
        ]
        if sources is None:
            # This doesn't belong to a source.
            tables.append(("users", _users(fetch, given)))
        head = {"user_id": user_id, "identity": identity, "ids": ids, "exported_at": at, "sources": sources}
        return (_json if form == "json" else _ndjson)(head, tables)

    def _audit(self, user_id: str, principal: Principal) -> None:
        """Write the export into the audit log. The user's id is hashed: only someone who knows it finds the entry."""
        target = hashlib.sha256(user_id.encode()).hexdigest()
        entry = {"action": "export_user", "target": target, "source": None, "detail": Jsonb({})}
        execute(self._control, ACCESS_QUERIES["write_audit"], {"actor": principal.name, **entry})


def _events(fetch: Execute, given: dict[str, Any]) -> Iterator[list[Any]]:
    exported = metrics.EVENTS_EXPORTED.labels("user")
    after: tuple[Any, ...] = (LATEST_STORED, "", LATEST_STORED, LAST_ID)
    while True:
        names = ("after_timestamp", "after_user_id", "after_received_at", "after_event_id")
        position = dict(zip(names, after, strict=True))
        rows = fetch("export_events", {**given, **position, "rows": PAGE_EVENTS})
        yield [_event(*row) for row in rows]
        exported.inc(len(rows))
        if len(rows) < PAGE_EVENTS:
            return
        after = (rows[-1][2], rows[-1][0], rows[-1][6], rows[-1][3])


def _rejections(fetch: Execute, given: dict[str, Any]) -> Iterator[list[Any]]:
    after = NIL
    while True:
        rows = fetch("export_rejections", {**given, "after_id": after, "rows": PAGE_EVENTS})
        yield [_rejection(*row) for row in rows]
        if len(rows) < PAGE_EVENTS:
            return
        after = rows[-1][0]


def _users(fetch: Execute, given: dict[str, Any]) -> Iterator[list[Any]]:
    yield _named(("user_id", "first_seen", "last_hour"), fetch("export_users", given))


def _links(fetch: Execute, given: dict[str, Any]) -> Iterator[list[Any]]:
    yield _named(("source", "alias", "person", "at", "event_id", "removed_at"), fetch("export_links", given))


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
    """An event as in GET /events, with the violations of its schema, if any."""
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
    """A refused event. Its payload is text, or base64 (`payload_base64`) if it isn't valid UTF-8."""
    names = ("source", "received_at", "reason", "detail", "event_type", "payload", "is_whole", "client")
    rejection = {"id": number, **dict(zip(names, row, strict=True))}
    payload: bytes = rejection.pop("payload")
    try:
        return {**rejection, "payload": payload.decode()}
    except UnicodeDecodeError:
        return {**rejection, "payload_base64": payload}


def _named(names: Iterable[str], rows: Iterable[Any]) -> list[Any]:
    return [dict(zip(names, row, strict=True)) for row in rows]


def _json(head: dict[str, Any], tables: Iterable[Table]) -> Iterator[bytes]:
    """One object: the members of `head`, and a list for each table."""
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
    """A line for `head`, and one for each row, with the name of its table."""
    lines: Callable[[Iterable[Any]], bytes] = msgspec.json.Encoder().encode_lines
    yield lines([head])
    for name, pages in tables:
        for page in pages:
            yield lines([{"table": name, "row": row} for row in page])
