"""Reads logs in OTLP's JSON.

msgspec finds the records in one pass. Only a small body that it doesn't read (NaN, half a surrogate pair) is split as text, level by
level: then one record is refused, and not all.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from event_tracker.collector.parsing.batch import MAX_COMMAS, UNREADABLE, WHITESPACE, NotJsonError, not_json
from event_tracker.collector.protocols.json_members import Members, is_empty, read_body_members, read_elements
from event_tracker.collector.protocols.otlp.json_values import (
    ABSENT,
    INT32,
    UINT32,
    UINT64,
    AnyValue,
    KeyValue,
    read_attributes,
    read_integer,
    read_value,
)
from event_tracker.collector.protocols.otlp.records import LogRecord, ScopeLogs, hash_resource, hash_scope
from event_tracker.core.http.errors import Problem

MAX_BODY_COMMAS = 500_000
"""Most commas of a body: 50 for each of 10,000 records. So finding its parts takes some ten MB, and reading them a bounded time."""

OPENING_MARKS = b"[{"


class Resource(msgspec.Struct):
    """What sent the logs."""

    attributes: list[KeyValue] | None = None


class Scope(msgspec.Struct):
    """The part of a program that made records."""

    name: str | None = None
    version: str | None = None
    attributes: list[KeyValue] | None = None


class JsonRecord(msgspec.Struct, gc=False):
    """A log record."""

    timeUnixNano: msgspec.Raw = ABSENT  # noqa: N815
    observedTimeUnixNano: msgspec.Raw = ABSENT  # noqa: N815
    severityNumber: msgspec.Raw = ABSENT  # noqa: N815
    severityText: str | None = None  # noqa: N815
    body: AnyValue | None = None
    attributes: list[KeyValue] | None = None
    flags: msgspec.Raw = ABSENT
    traceId: str | None = None  # noqa: N815
    spanId: str | None = None  # noqa: N815
    eventName: str | None = None  # noqa: N815


class JsonScopeLogs(msgspec.Struct):
    """The records of a scope, not read yet."""

    scope: msgspec.Raw = ABSENT
    logRecords: list[msgspec.Raw] | None = None  # noqa: N815


class JsonResourceLogs(msgspec.Struct):
    """The scopes of a resource."""

    resource: msgspec.Raw = ABSENT
    scopeLogs: list[JsonScopeLogs] | None = None  # noqa: N815


class JsonRequest(msgspec.Struct):
    """A body."""

    resourceLogs: list[JsonResourceLogs] | None = None  # noqa: N815


_decode_request = msgspec.json.Decoder(JsonRequest).decode
_decode_resource = msgspec.json.Decoder(Resource | None).decode
_decode_scope = msgspec.json.Decoder(Scope | None).decode
_decode_record = msgspec.json.Decoder(JsonRecord).decode


def split(body: bytes, most: int, max_bytes: int) -> Iterator[ScopeLogs]:
    """The scopes of a request, with their records, which aren't read here.

    Args:
        most: how many records, and how many scopes, there may be.
        max_bytes: of a resource or a scope.

    Raises:
        Problem: 400 if it isn't OTLP's JSON, 413 if it is too much.
    """
    left = most
    groups = _read_request(body, most).resourceLogs or []
    if max([len(groups), *(len(group.scopeLogs or ()) for group in groups)]) > most:
        raise too_many_records(most)
    for number, group in enumerate(groups):
        parts = group.scopeLogs
        if not parts:
            continue
        _, attributes = _read(_decode_resource, group.resource, max_bytes)
        hashed = hash_resource(attributes)
        for position, part in enumerate(parts):
            records = part.logRecords or []
            left -= max(1, len(records))
            if left < 0:
                raise too_many_records(most)
            scope, attributes = _read(_decode_scope, part.scope, max_bytes)
            name, version = (scope.name or "", scope.version or "") if scope else ("", "")
            start = hash_scope(hashed, name, version, attributes)
            yield ScopeLogs(f"/resourceLogs/{number}/scopeLogs/{position}/logRecords", start, records)


def read_record(sent: bytes | msgspec.Raw) -> LogRecord:
    """Read a record.

    Raises:
        msgspec.MsgspecError, UnicodeDecodeError: if it isn't one in JSON.
        ValueError: if a number or Base64 in it isn't one.
        RecursionError: if it is nested too deep.
    """
    record = _decode_record(sent)
    time_ns = read_integer(record.timeUnixNano, UINT64)
    return LogRecord(
        event_name=record.eventName or "",
        attributes=read_attributes(record.attributes),
        body=read_value(record.body),
        time_ns=time_ns or read_integer(record.observedTimeUnixNano, UINT64),
        severity_number=read_integer(record.severityNumber, INT32),
        severity_text=record.severityText or "",
        trace_id=(record.traceId or "").lower(),
        span_id=(record.spanId or "").lower(),
        flags=read_integer(record.flags, UINT32),
    )


def too_many_records(most: int) -> Problem:
    """The problem for a request with more records, or scopes, than there may be."""
    detail = f"A request may hold {most} log records; this one holds more. Let the exporter send smaller batches."
    return Problem(413, "too_many_events", detail)


def too_many_values(most: int) -> Problem:
    """The problem for a request whose records have more parts than can be read in a bounded time."""
    detail = (
        f"The log records of a request may have {most} values; these have more. Let the exporter send smaller batches."
    )
    return Problem(413, "too_many_values", detail)


def _read_request(body: bytes, most: int) -> JsonRequest:
    """Find the records.

    Raises:
        Problem: as `split` does.
    """
    commas = body.count(b",")
    if commas > MAX_BODY_COMMAS:
        raise too_many_values(MAX_BODY_COMMAS)
    try:
        return _decode_request(body)
    except UNREADABLE as error:
        if commas + sum(body.count(mark) for mark in OPENING_MARKS) > MAX_COMMAS:
            raise not_json(str(error)) from None
    groups = _elements(read_body_members(body), "resourceLogs", most)
    return JsonRequest([_split_group(read_body_members(bytes(group)), most) for group in groups])


def _split_group(members: Members, most: int) -> JsonResourceLogs:
    parts = [read_body_members(bytes(part)) for part in _elements(members, "scopeLogs", most)]
    scopes = [JsonScopeLogs(part.get("scope", ABSENT), _elements(part, "logRecords", most)) for part in parts]
    return JsonResourceLogs(members.get("resource", ABSENT), scopes)


def _elements(members: Members, name: str, most: int) -> list[Any]:
    """The elements of a member that is an array, as they were sent.

    Raises:
        Problem: as `split` does.
    """
    sent = members.get(name)
    if is_empty(sent):
        return []
    try:
        found = read_elements(bytes(sent or b"").strip(WHITESPACE), most)
    except NotJsonError as error:
        raise not_json(f"`{name}` must be an array: {error}") from None
    if len(found) > most:
        raise too_many_records(most)
    return found


def _read(decode: Any, sent: msgspec.Raw, max_bytes: int) -> tuple[Any, dict[str, Any]]:
    """Read a resource or a scope, which may be null, and its attributes.

    Raises:
        Problem: 400 if it can't be read, 413 if it is too large.
    """
    size = len(sent)
    if size > max_bytes:
        raise Problem(413, "event_too_large", f"A resource or a scope may have {max_bytes} bytes; this one has {size}.")
    try:
        part = decode(sent)
        return part, read_attributes(part.attributes if part else None)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise not_json(f"a resource or a scope can't be read: {error}") from None
