"""The row of an event; `store_events`, rows as the arrays that it takes, in PostgreSQL's binary format, and its answer as outcomes.

psycopg could encode them, but only when the statement is sent, while PostgreSQL waits. Here each request encodes its rows
earlier, while the statement before is in flight; a group is then made by joining bytes. The format is that of
`array_recv`: a header, then each element as its length in bytes and its bytes (docs/adr/0003-fast-path.md).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from struct import Struct
from typing import ClassVar, Literal
from uuid import UUID

import msgspec
from psycopg import adapters, sql
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

from event_tracker.collector.tracking_plan.plans import SchemaViolations
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.model.event import EventError

QUERIES = load_queries("event_tracker.collector", "writer.sql")

STORE_EVENTS = sql.SQL(QUERIES["store_events"]).format(linking=sql.SQL(""), refused=sql.SQL("null::text[]")).as_bytes()
STORE_LINKING_EVENTS = (
    sql.SQL(QUERIES["store_events"])
    .format(**{name: sql.SQL(QUERIES[f"store_events.{name}"]) for name in ("linking", "refused")})
    .as_bytes()
)
"""The same, with the links between ids that events make."""

LINKING_TYPES = frozenset({"identify", "alias"})
"""Types of the events that may link ids: `link_of_event` (infra/migrations/0025-links.sql) has the rule."""

_write = msgspec.json.Encoder().encode

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""PostgreSQL counts microseconds from here."""

NULL = Struct(">i").pack(-1)
JSONB_VERSION = b"\1"

_length = Struct(">i").pack
_microseconds = Struct(">iq").pack
_header = Struct(">iiIii").pack


class Row(msgspec.Struct, frozen=True, gc=False):
    """An event as it is stored. The first three fields identify it.

    Attributes:
        timestamp: in UTC.
        event_id: the 16 bytes of a UUID.
        properties: JSON.
        source: the name of the source that sent it.
        violations: how it violates its schema, if the schema isn't enforced.
        warnings: what its sender is told of it: violations, that it wasn't checked, or that characters were replaced.
    """

    user_id: str
    timestamp: datetime
    event_id: bytes
    event_type: str
    session_id: str | None
    properties: bytes
    source: str
    violations: SchemaViolations | None = None
    warnings: Sequence[EventError] = ()


class NotStorableError(Exception):
    """The database refused this one event."""


Outcome = Literal["stored", "duplicate", "expired"] | NotStorableError
"""The outcome of one event: stored, known already, expired (retention has deleted its time), or the error."""


class Column:
    """The elements of one array; `element_oid` and `oid` are the types' numbers in pg_type."""

    element_oid: ClassVar[int]
    oid: ClassVar[int]

    def __init__(self, elements: bytes, number: int) -> None:
        self.elements, self.number = elements, number

    def array(self) -> bytes:
        """The array: one dimension from 1, perhaps with nulls; no dimension if there are no elements."""
        if not self.elements:
            return _header(0, 0, self.element_oid, 0, 0)[:12]
        return _header(1, 1, self.element_oid, self.number, 1) + self.elements


class TextColumn(Column):
    element_oid, oid = 25, 1009


class TimestampColumn(Column):
    element_oid, oid = 1184, 1185


class UuidColumn(Column):
    element_oid, oid = 2950, 2951


class JsonbColumn(Column):
    element_oid, oid = 3802, 3807


COLUMNS: dict[str, type[Column]] = {
    "user_ids": TextColumn,
    "timestamps": TimestampColumn,
    "event_ids": UuidColumn,
    "event_types": TextColumn,
    "session_ids": TextColumn,
    "properties": JsonbColumn,
    "sources": TextColumn,
    "violations": JsonbColumn,
}
"""The statement's parameters, in the order in which `encode_rows` makes them."""

EncodedRows = tuple[bytes, ...]
"""The elements of each column of COLUMNS for some rows. `violations` is empty if no row has any."""

TIMESTAMPS, VIOLATIONS = list(COLUMNS).index("timestamps"), list(COLUMNS).index("violations")
TIMESTAMP_BYTES = 12


class _ColumnDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Column) -> Buffer:
        return obj.array()


for _kind in set(COLUMNS.values()):
    adapters.register_dumper(_kind, type(f"{_kind.__name__}Dumper", (_ColumnDumper,), {"oid": _kind.oid}))


def encode_rows(rows: Sequence[Row]) -> EncodedRows:
    """Encode these rows: each column's elements."""
    return (
        _encode_texts([row.user_id for row in rows]),
        b"".join([_microseconds(8, _count_microseconds(row.timestamp)) for row in rows]),
        b"".join([_length(16) + row.event_id for row in rows]),
        _encode_texts([row.event_type for row in rows]),
        b"".join([NULL if row.session_id is None else _encode_texts([row.session_id]) for row in rows]),
        b"".join([_encode_jsonb(row.properties) for row in rows]),
        _encode_texts([row.source for row in rows]),
        _encode_violation_column([row.violations for row in rows]),
    )


def join_parameters(parts: Iterable[EncodedRows], number: int) -> dict[str, Column]:
    """Join all parts, `number` rows together, into the statement's arrays."""
    columns = list(zip(*parts, strict=True))
    if any(columns[VIOLATIONS]):
        columns[VIOLATIONS] = tuple(
            violations or NULL * (len(timestamps) // TIMESTAMP_BYTES)
            for violations, timestamps in zip(columns[VIOLATIONS], columns[TIMESTAMPS], strict=True)
        )
    joined = [b"".join(column) for column in columns]
    return {name: kind(elements, number) for (name, kind), elements in zip(COLUMNS.items(), joined, strict=True)}


def choose_statement(rows: Sequence[Row]) -> bytes:
    """The statement that stores these rows."""
    return STORE_LINKING_EVENTS if any(row.event_type in LINKING_TYPES for row in rows) else STORE_EVENTS


def read_outcomes(
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


def _encode_texts(texts: Iterable[str]) -> bytes:
    return b"".join([_length(len(data)) + data for data in map(str.encode, texts)])


def _encode_violation_column(violations: list[SchemaViolations | None]) -> bytes:
    """Empty if no row has any, as usual: PostgreSQL's `unnest` uses nulls for missing elements."""
    if violations.count(None) == len(violations):
        return b""
    return b"".join([NULL if one is None else _encode_jsonb(_encode_violations(one)) for one in violations])


def _encode_jsonb(text: bytes) -> bytes:
    return _length(len(text) + 1) + JSONB_VERSION + text


def _encode_violations(violations: SchemaViolations) -> bytes:
    """events.violations, as JSON."""
    return _write(
        {"schema_version": violations.version, "errors": [violation._asdict() for violation in violations.errors]}
    )


def _count_microseconds(time: datetime) -> int:
    since = time - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
