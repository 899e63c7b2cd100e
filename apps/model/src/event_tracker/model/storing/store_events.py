"""Stores rows by `store_events`: rows as the arrays that it takes, in PostgreSQL's binary format, and its answer as outcomes.

The collector's writer does so, and what stores the records of a Kafka topic. Nothing here waits for a greenlet or needs gevent.

psycopg could encode them, but only when the statement is sent, while PostgreSQL waits. Here each request encodes its rows
earlier, while the statement before is in flight; a group is then made by joining bytes. The format is that of
`array_recv`: a header, then each element as its length in bytes and its bytes (docs/adr/0003-fast-path.md).
"""

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from struct import Struct
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg import adapters, sql
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.model.storing.row import NotStorableError, Outcome, Row, SchemaViolations

log = structlog.get_logger("model.store_events")

QUERIES = load_queries("event_tracker.model.storing", "store_events.sql")

STORE_EVENTS = sql.SQL(QUERIES["store_events"]).format(linking=sql.SQL(""), refused=sql.SQL("null::text[]")).as_bytes()
STORE_LINKING_EVENTS = (
    sql.SQL(QUERIES["store_events"])
    .format(**{name: sql.SQL(QUERIES[f"store_events.{name}"]) for name in ("linking", "refused")})
    .as_bytes()
)
"""The same, with the links between ids that events make."""

LINKING_TYPES = frozenset({"identify", "alias"})
"""Types of the events that may link ids: `link_of_event` (infra/migrations/0025-links.sql) has the rule."""

MAX_SLOT = 32_767
"""The largest smallint."""

UNSTORABLE = (psycopg.DataError, psycopg.IntegrityError)
"""Errors caused by the data. The parser should have refused such an event; the others in its group must still be stored."""

ROUTING_TRIES = 3
"""How often rows are tried whose partition changes meanwhile: their month got its own partition while they waited."""

_write = msgspec.json.Encoder().encode

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""PostgreSQL counts microseconds from here."""

NULL = Struct(">i").pack(-1)
JSONB_VERSION = b"\1"

_length = Struct(">i").pack
_microseconds = Struct(">iq").pack
_header = Struct(">iiIii").pack


EncodedRows = tuple[bytes, ...]
"""The elements of each column of COLUMNS for some rows. `violations` is empty if no row has any."""

Execute = Callable[[bytes, Sequence[Row], dict[str, Any]], list[Any]]
"""Runs the statement for these rows, with these parameters, and returns its answer."""


class EventStore:
    """Stores rows, on whatever connection the caller runs the statement.

    Args:
        count_refused_link: called with the reason for each stored event that names an id of the same person but links nothing.

    Attributes:
        slot: where the rows are counted. It is random, so that those who store at the same time rarely wait for each other.
    """

    def __init__(self, count_refused_link: Callable[[str], object]) -> None:
        self.slot = random.randint(1, MAX_SLOT)  # noqa: S311  # spreads the counts, guards nothing
        self._count_refused_link = count_refused_link

    def store(self, rows: Sequence[Row], parts: Sequence[EncodedRows], execute: Execute) -> list[Outcome]:
        """Store rows; return the outcome of each. If the database refuses them, they are halved until the refused row is alone.

        Args:
            parts: the same rows, as `encode_rows` makes them.
            execute: is called once, or for each half; in autocommit, or so that its failure ends no transaction.

        Raises:
            psycopg.Error: if the database is unavailable, or cancels the statement. Halves may be stored already.
        """
        for attempt in range(1, ROUTING_TRIES + 1):
            try:
                parameters = {**join_parameters(parts, len(rows)), "slot": self.slot}
                ((*answer, refused, _),) = execute(choose_statement(rows), rows, parameters)
                for reason in refused or ():
                    self._count_refused_link(reason)
                return read_outcomes(rows, *answer)
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
            for outcome in self.store(half, [encode_rows(half)], execute)
        ]

    def store_on(self, connection: psycopg.Connection, rows: Sequence[Row]) -> list[Outcome]:
        """Store rows in the caller's transaction; return the outcome of each if it is committed.

        Raises:
            psycopg.Error: if the database is unavailable, or cancels the statement.
        """

        def execute_on(statement: bytes, _: Sequence[Row], parameters: dict[str, Any]) -> list[Any]:
            with connection.transaction():  # a savepoint, so that a refused row doesn't end the caller's transaction
                return connection.execute(statement, parameters, binary=True).fetchall()

        return self.store(rows, [encode_rows(rows)], execute_on)


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
        _encode_texts([row.session_id for row in rows]),
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


def _is_routing_error(error: psycopg.Error) -> bool:
    """True if rows were refused because their partition changed: such a violation names no constraint."""
    return isinstance(error, psycopg.errors.CheckViolation) and error.diag.constraint_name is None


def _encode_texts(texts: Iterable[str | None]) -> bytes:
    return b"".join([NULL if text is None else _length(len(data := text.encode())) + data for text in texts])


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
