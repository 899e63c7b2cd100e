"""Everything that is stored of a user, as one file: JSON, or NDJSON with one row a line."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from core.pool import ConnectionPool, execute
from core.problems import Problem
from core.queries import load_queries
from query import metrics
from query.access.people import QUERIES as ACCESS_QUERIES
from query.access.principal import Principal
from query.answers import stored_event
from query.fields import EARLIEST
from query.formats import Rows
from query.schemas import event_filter
from query.slices import Slices

QUERIES = load_queries("query.subjects")

PAGE_ROWS = 500

Table = tuple[str, Iterator[list[Any]]]
"""A table's name, and its rows a page at a time."""

FORMATS = {"json": "application/json", "ndjson": "application/x-ndjson"}
"""What it is written as, and the media type."""

_encode = msgspec.json.Encoder().encode


class Exporter:
    """Reads what is stored of users. No snapshot is held: it reads a page after the other, each at its own moment."""

    def __init__(self, control: ConnectionPool[psycopg.Connection], slices: Slices) -> None:
        self._control = control
        self._slices = slices

    def parts(self, user_id: str, principal: Principal, form: str) -> Iterator[bytes]:
        """The parts of the file, as far as the principal may see what is in it.

        Raises:
            Problem: 404 if nothing is stored.
        """
        sources = None if principal.sources is None else sorted(principal.sources)
        given = {"user_id": user_id, "sources": sources}
        ((known, at),) = self._ask("is_known", given)
        if not known:
            raise Problem(404, "user_not_found", "Nothing of this user is stored.")
        self._audit(user_id, principal)
        tables = [("events", self._events(user_id, sources))]
        if sources is None:
            # These don't belong to a source.
            tables = [("users", self._users(given)), *tables, ("visits", self._visits(given))]
        head = {"user_id": user_id, "exported_at": at, "sources": sources}
        return (_json if form == "json" else _ndjson)(head, tables)

    def _events(self, user_id: str, sources: list[str] | None) -> Iterator[list[Any]]:
        whose = {"user_id": user_id, "sources": None if sources is None else tuple(sources), "limit": 0}
        exported = metrics.EVENTS_EXPORTED.labels("user")
        for page in self._slices.pages(event_filter(whose, lambda start, end: (start, end)), None):
            for start in range(0, len(page), PAGE_ROWS):
                rows: Rows = page[start : start + PAGE_ROWS]
                yield [stored_event(*row) for row in rows]
                exported.inc(len(rows))

    def _users(self, given: dict[str, Any]) -> Iterator[list[Any]]:
        yield _named(("first_seen", "last_hour"), self._ask("export_user", given))

    def _visits(self, given: dict[str, Any]) -> Iterator[list[Any]]:
        names = ("day", "session_id", "first", "last", "event_types")
        after: tuple[Any, ...] = (EARLIEST, "", EARLIEST)
        while True:
            place = dict(zip(("after_day", "after_session_id", "after_first"), after, strict=True))
            rows = self._ask("export_visits", {**given, **place, "rows": PAGE_ROWS})
            yield _named(names, rows)
            if len(rows) < PAGE_ROWS:
                return
            after = rows[-1][:3]

    def _audit(self, user_id: str, principal: Principal) -> None:
        """Write down who asked, and for whom so that only who knows the id finds it."""
        target = hashlib.sha256(user_id.encode()).hexdigest()
        entry = {"action": "export_user", "target": target, "source": None, "detail": Jsonb({})}
        execute(self._control, ACCESS_QUERIES["write_audit"], {"actor": principal.name, **entry})

    def _ask(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return execute(self._control, QUERIES[statement], parameters)


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
