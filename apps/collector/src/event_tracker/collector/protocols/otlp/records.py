"""A log record as an event. docs/clients/opentelemetry.md has the same mapping as a table.

OpenTelemetry has no ids for events. Without an attribute that is one, the id is made of all that a record says, so a request that is
sent again is known, in JSON as in protobuf, whatever the order of its attributes. Two records that are equal in all, their time
included, are one event.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec
import uuid_utils

from event_tracker.collector.protocols.json_members import write_event
from event_tracker.collector.protocols.mapping import CANONICAL_UUID
from event_tracker.collector.protocols.protocol import Mapped

if TYPE_CHECKING:
    from hashlib import _Hash

NAMESPACE = UUID("62449134-0229-5311-a90a-cf3f7f79f1c2")
"""UUIDv5 of `urn:event-tracker:opentelemetry` as a URL. Never change it: resent records would get other ids, and be stored again."""

NAME = "event.name"
IDS = ("event.id", "log.record.uid")
USERS = ("user.id", "enduser.id")
SESSION = "session.id"

NOT_PROPERTIES = frozenset({NAME, *IDS, SESSION})
"""Attributes that are no property. Nor is the one that has the user."""

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # of UTC; a time without a zone is written in half the time

FIELDS = {
    "/event_type": "/eventName",
    "/timestamp": "/timeUnixNano",
    "/event_id": "/timeUnixNano",
    "/session_id": f"/attributes/{SESSION}",
    "/properties": "/attributes",
    "/properties/body": "/body",
}
"""Pointers in an event → where the value is in its record. `/attributes/NAME` stands for the attribute of that name."""

FIELDS_BY_USER = {user: {**FIELDS, "/user_id": f"/attributes/{user or USERS[0]}"} for user in (None, *USERS)}
"""The same, by the attribute that has the user."""

_write_sorted = msgspec.json.Encoder(order="sorted").encode


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """A log record, the same from JSON and from protobuf. Of equal names of attributes, the last one's value is here.

    Attributes:
        attributes: as JSON has them, and doubles as `write_double` makes them.
        body: the same; None if there is none.
        time_ns: when it happened, else when it was observed, in ns since 1970; 0 if it doesn't say.
        trace_id, span_id: hexadecimal; empty if there is none.
    """

    event_name: str
    attributes: dict[str, Any]
    body: Any
    time_ns: int
    severity_number: int
    severity_text: str
    trace_id: str
    span_id: str
    flags: int


class UnreadableRecordError(Exception):
    """A record isn't one in protobuf. Where it ends is known all the same, so the others can be read."""


class ScopeLogs(NamedTuple):
    """The records of one scope, not read yet.

    Attributes:
        place: JSON Pointer to them in the request.
        start: the hash of the namespace, the resource and the scope, with which their ids begin.
    """

    place: str
    start: "_Hash"
    records: Sequence[bytes | msgspec.Raw]


def hash_resource(attributes: Mapping[str, Any]) -> "_Hash":
    """The beginning of the ids of a resource's records."""
    return hashlib.sha1(NAMESPACE.bytes + write_canonical(attributes) + b"\n", usedforsecurity=False)


def hash_scope(resource: "_Hash", name: str, version: str, attributes: Mapping[str, Any]) -> "_Hash":
    """The same of a scope's records."""
    found = resource.copy()
    found.update(write_canonical({"name": name, "version": version, "attributes": attributes}) + b"\n")
    return found


def write_canonical(value: Any) -> bytes:
    """The text that ids are made of: what `json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))` writes, in a
    tenth of the time. It must never change: not with a release of ours, nor of a library.

    Args:
        value: without doubles other than those of `write_double`.
    """
    return _write_sorted(value)


def write_double(number: float) -> msgspec.Raw:
    """A finite double as it is in the text that ids are made of. msgspec would write another one of 1e+16, or of 1e-05."""
    return msgspec.Raw(repr(number).encode())


def find_name(record: LogRecord) -> str | None:
    """The name that makes a record an event; None if it is a log line."""
    named = record.event_name or record.attributes.get(NAME)
    return named if isinstance(named, str) and named else None


def map_record(record: LogRecord, name: str, start: "_Hash", place: str) -> Mapped:
    """The event of a record that has a name."""
    attributes, body = record.attributes, record.body
    user, user_id = _find(attributes, USERS)
    _, session_id = _find(attributes, (SESSION,))
    properties: dict[str, Any] = dict(body) if isinstance(body, dict) else {} if body is None else {"body": body}
    properties |= {key: value for key, value in attributes.items() if key not in NOT_PROPERTIES and key != user}
    event = {
        "user_id": user_id,
        "event_type": name,
        "timestamp": _write_time(record.time_ns) if record.time_ns else None,
        "event_id": _make_id(record, start),
        "session_id": session_id,
        "properties": properties,
    }
    return Mapped(write_event(event), place, FIELDS_BY_USER[user])


def _find(attributes: Mapping[str, Any], names: Sequence[str]) -> tuple[str | None, Any]:
    """The first attribute of these names that says something, and its value: a number as text."""
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return name, str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return None, None


def _write_time(time_ns: int) -> str:
    """A time in UTC, cut to microseconds."""
    return f"{(EPOCH + timedelta(microseconds=time_ns // 1000)).isoformat()}+00:00"


def _make_id(record: LogRecord, start: "_Hash") -> str:
    """An id that was given, else one that is made of the whole record."""
    _, given = _find(record.attributes, IDS)
    if isinstance(given, str):
        if CANONICAL_UUID.fullmatch(given):
            return given.lower()
        hashed = hashlib.sha1(NAMESPACE.bytes + given.encode(), usedforsecurity=False)
    else:
        hashed = start.copy()
        hashed.update(
            write_canonical(
                {
                    "attributes": record.attributes,
                    "body": record.body,
                    "eventName": record.event_name,
                    "flags": record.flags,
                    "severityNumber": record.severity_number,
                    "severityText": record.severity_text,
                    "spanId": record.span_id,
                    "timeUnixNano": str(record.time_ns),
                    "traceId": record.trace_id,
                }
            )
        )
    return str(uuid_utils.UUID(bytes=hashed.digest()[:16], version=5))
