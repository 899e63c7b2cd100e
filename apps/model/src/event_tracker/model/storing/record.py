"""The record that carries an event's row through Kafka: docs/kafka.md has its format for those who read it.

All that an event is when it is stored is settled before the record is made: its id, its time, what was added to its properties, how
it violates its schema. Reading the same record twice gives the same event. The order of receipt is the order of the records:
those of one user are in one partition, since the key is the user.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, NamedTuple, cast
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from event_tracker.model.event import MAX_DEPTH
from event_tracker.model.schema_checks import Violation
from event_tracker.model.storing.row import Row, SchemaViolations

if TYPE_CHECKING:
    from confluent_kafka import Message

VERSION = b"1"
"""The header `v`. A reader refuses another version: it can't know what it would lose."""

OTHER_VERSIONS = re.compile(rb"[0-9]{1,3}")
"""What later versions are. Whoever sends anything else isn't our collector."""

MAX_AHEAD = timedelta(hours=25)
"""Collectors take times of up to 24 hours ahead of their own clock. Only who writes to the topic directly sends a later one: it isn't
stored."""

Text200 = Annotated[str, Meta(min_length=1, max_length=200)]

STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')

_encode = msgspec.json.Encoder().encode


Header = tuple[str, str | bytes | None]


class Record(NamedTuple):
    """What is written to Kafka.

    Attributes:
        key: the user's id, in UTF-8.
        value: JSON, as GET /events has an event: without `received_at`, with `violations` if there are any.
        headers: `v`, the version of the format, and, as far as they are known, `request_id` and `received_at`.
    """

    key: bytes
    value: bytes
    headers: list[Header]


class UnreadableRecordError(Exception):
    """A record that no event can be made of; the message says why. It quotes no value of it, but the name of a field that is unknown."""


class OtherVersionError(UnreadableRecordError):
    """A record of another version of the format. It may well be good: a later reader can read it."""


class _ViolatedSchema(msgspec.Struct, forbid_unknown_fields=True):
    """As `events.violations` has it."""

    schema_version: int
    errors: list["_ViolatedRule"]


class _ViolatedRule(msgspec.Struct, forbid_unknown_fields=True):
    pointer: str
    detail: str


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    user_id: Text200
    event_type: Annotated[str, Meta(min_length=1, max_length=100)]
    timestamp: Annotated[datetime, Meta(tz=True)]
    event_id: UUID
    session_id: Text200 | None
    properties: msgspec.Raw
    source: Annotated[str, Meta(min_length=1)]
    violations: _ViolatedSchema | UnsetType = UNSET


_decode = msgspec.json.Decoder(_Event).decode
_decode_violations = msgspec.json.Decoder(_ViolatedSchema).decode


def make_record(row: Row, request_id: str | None, *, received_at: datetime | None = None) -> Record:
    """Make the record of a row. Its warnings aren't part of it: they are for the sender alone.

    Args:
        request_id: of the request that sent the event, in ASCII. None: it isn't known any more.
        received_at: of an event that is stored, in UTC.
    """
    event = _Event(
        row.user_id,
        row.event_type,
        row.timestamp,
        UUID(bytes=row.event_id),
        row.session_id,
        msgspec.Raw(row.properties),
        row.source,
        _write_violations(row.violations) if row.violations else UNSET,
    )
    headers: list[Header] = [("v", VERSION)]
    if request_id is not None:
        headers.append(("request_id", request_id.encode()))
    if received_at is not None:
        headers.append(("received_at", received_at.isoformat().encode()))
    return Record(row.user_id.encode(), _encode(event), headers)


def read_record(value: bytes | None, headers: Iterable[Header] | None) -> Row:
    """Read the row from a record's value and headers. The key isn't read: it only chose the partition.

    What it accepts may still be refused by the database, such as U+0000 in a text. The cost of numbers isn't bounded: who may write to
    the topic is trusted.

    Raises:
        OtherVersionError: if it is of another version of the format.
        UnreadableRecordError: if it isn't such a record.
    """
    require_version(headers)
    if value is None:
        raise UnreadableRecordError("The record has no value.")
    try:
        event = _decode(value)
        timestamp = event.timestamp.astimezone(UTC)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError) as error:
        raise UnreadableRecordError(f"The value isn't an event: {error}.") from None
    except RecursionError:
        raise UnreadableRecordError("The value isn't an event: it is nested too deep.") from None
    properties = bytes(event.properties)
    if not properties.startswith(b"{"):
        raise UnreadableRecordError("The value isn't an event: `properties` isn't an object.")
    if _is_too_deep(properties):
        raise UnreadableRecordError(f"The value isn't an event: `properties` has more than {MAX_DEPTH} levels.")
    return Row(
        event.user_id,
        timestamp,
        event.event_id.bytes,
        event.event_type,
        event.session_id,
        properties,
        event.source,
        _read_violations(event.violations) if event.violations else None,
    )


def read_headers(record: "Message") -> list[Header]:
    """The headers of a record that was read."""
    return cast(list[Header], record.headers() or [])  # its declared type has what producers may pass, too


def require_version(headers: Iterable[Header] | None) -> None:
    """Return if the headers have this version of the format.

    Raises:
        OtherVersionError: if they have another one.
        UnreadableRecordError: if they have none.
    """
    version = dict(headers or ()).get("v")
    if version == VERSION:
        return
    why = f"The header `v` must be {VERSION.decode()}; it is {_show(version)}."
    if isinstance(version, bytes) and OTHER_VERSIONS.fullmatch(version):
        raise OtherVersionError(why)
    raise UnreadableRecordError(why)


def read_violations(json: bytes) -> SchemaViolations:
    """What the column `events.violations` has."""
    return _read_violations(_decode_violations(json))


def _write_violations(violations: SchemaViolations) -> _ViolatedSchema:
    return _ViolatedSchema(violations.version, [_ViolatedRule(*violation) for violation in violations.errors])


def _read_violations(violated: _ViolatedSchema) -> SchemaViolations:
    return SchemaViolations(violated.schema_version, [Violation(rule.pointer, rule.detail) for rule in violated.errors])


def _is_too_deep(properties: bytes) -> bool:
    """Whether an object has too many levels. PostgreSQL's error for one doesn't say that the data is at fault."""
    if properties.count(b"{") + properties.count(b"[") <= MAX_DEPTH:
        return False
    depth = 0
    for character in STRINGS.sub(b"", properties):
        if character in b"{[":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif character in b"}]":
            depth -= 1
    return False


def _show(version: str | bytes | None) -> str:
    if version is None:
        return "missing"
    return version[:10] if isinstance(version, str) else version[:10].decode("ascii", "replace")
