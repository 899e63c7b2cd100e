"""A log record as an event. docs/clients/opentelemetry.md has the table for people.

OpenTelemetry has no ids for events. Without an attribute that is one, the id is made of all that a record says, so a request that is
sent again is known, in JSON as in protobuf, whatever the order of its attributes. Two records that are equal in all, their time
included, are one event.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from event_tracker.collector.parsing.parser import EPOCH
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

FIELDS = {
    "/event_type": "/eventName",
    "/timestamp": "/timeUnixNano",
    "/event_id": "/timeUnixNano",
    "/properties": "/attributes",
    "/properties/body": "/body",
}
"""Pointers in an event → where the value is in its record. `/attributes/NAME` stands for the attribute of that name."""


class LogRecord(NamedTuple):
    """A log record, the same from JSON and from protobuf. Of equal names of attributes, the last one's value is here.

    Attributes:
        body: as JSON has it; None if there is none.
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
    """The text that ids are made of. It must never change: not with a release of ours, nor of a library."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def find_name(record: LogRecord) -> str | None:
    """The name that makes a record an event; None if it is a log line."""
    named = record.event_name or record.attributes.get(NAME)
    return named if isinstance(named, str) and named else None


def map_record(record: LogRecord, name: str, start: "_Hash", place: str) -> Mapped:
    """The event of a record that has a name."""
    user, user_id = _find(record.attributes, USERS)
    _, session_id = _find(record.attributes, (SESSION,))
    taken = {NAME, user, *IDS, SESSION}
    properties: dict[str, Any] = dict(record.body) if isinstance(record.body, dict) else {}
    if record.body is not None and not isinstance(record.body, dict):
        properties["body"] = record.body
    properties.update((key, value) for key, value in record.attributes.items() if key not in taken)
    event = {
        "user_id": user_id,
        "event_type": name,
        "timestamp": (EPOCH + timedelta(microseconds=record.time_ns // 1000)).isoformat() if record.time_ns else None,
        "event_id": str(_make_id(record, start)),
        "session_id": session_id,
        "properties": properties,
    }
    return Mapped(
        write_event(event),
        place,
        {**FIELDS, "/user_id": f"/attributes/{user or USERS[0]}", "/session_id": f"/attributes/{SESSION}"},
    )


def _find(attributes: Mapping[str, Any], names: Sequence[str]) -> tuple[str | None, Any]:
    """The first attribute of these names that says something, and its value: a number as text."""
    for name in names:
        value = attributes.get(name)
        if value not in (None, ""):
            return name, str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return None, None


def _make_id(record: LogRecord, start: "_Hash") -> UUID:
    """An id that was given, else one that is made of the whole record."""
    _, given = _find(record.attributes, IDS)
    if isinstance(given, str):
        if CANONICAL_UUID.fullmatch(given):
            return UUID(given)
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
    return UUID(bytes=hashed.digest()[:16], version=5)
