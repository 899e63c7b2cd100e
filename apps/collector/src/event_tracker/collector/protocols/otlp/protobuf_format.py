"""Reads and writes OTLP's protobuf with OpenTelemetry's generated classes. Import it only for such a request: that takes 0.1 s.

The outer three levels are split here. The library would make objects of a whole body, some sixty times as large as the body if that
has nothing but empty records. A record has a size limit, so of it the library makes few.
"""

import base64
import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as ProtobufRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from event_tracker.collector.protocols.otlp.json_format import too_many_records, too_many_values
from event_tracker.collector.protocols.otlp.records import (
    LogRecord,
    ScopeLogs,
    UnreadableRecordError,
    hash_resource,
    hash_scope,
    write_double,
)
from event_tracker.core.http.errors import Problem

FIELDS_PER_RECORD = 8
"""Fields of the outer levels for each record, where each has a resource and a scope of its own."""

MAX_VALUES = 500_000
"""Most attributes and elements of a request: 50 for each of 10,000 records. An empty one has two bytes, and takes some microseconds."""

MAX_VARINT = 10

Parsed = TypeVar("Parsed", bound=Message)

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
"""Wire types."""

RESOURCE_LOGS = RESOURCE = SCOPE = 1
SCOPE_LOGS = LOG_RECORDS = 2
"""Numbers of fields."""


class FieldReader:
    """Reads the fields of messages, but only so many of one request.

    Args:
        most: how many records a request may hold.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most * FIELDS_PER_RECORD

    def read(self, message: bytes) -> dict[int, list[bytes]]:
        """The fields 1 and 2 of a message, if they have lengths; others are passed over.

        Raises:
            Problem: 400 if it isn't protobuf, 413 if the request has too many fields.
        """
        found: dict[int, list[bytes]] = {1: [], 2: []}
        at = 0
        while at < len(message):
            self._left -= 1
            if self._left < 0:
                raise too_many_records(self._most)
            tag, at = _read_varint(message, at)
            number, wire_type = tag >> 3, tag & 7
            if wire_type == DELIMITED:
                length, at = _read_varint(message, at)
                if number in found:
                    found[number].append(message[at : at + length])
                at += length
            elif wire_type == VARINT:
                _, at = _read_varint(message, at)
            elif wire_type in (FIXED64, FIXED32):
                at += 8 if wire_type == FIXED64 else 4
            else:
                raise not_protobuf(f"wire type {wire_type}")
            if at > len(message):
                raise not_protobuf("a field goes beyond the end")
        return found


class ValueReader:
    """Reads the records of a request, and values of resources and scopes; but only so many values."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def read_record(self, sent: bytes | msgspec.Raw) -> LogRecord:
        """Read a record.

        Raises:
            UnreadableRecordError: if it isn't one.
            Problem: 413 if the request has too many values.
        """
        try:
            record = ProtobufRecord.FromString(bytes(sent))
        except DecodeError as error:
            raise UnreadableRecordError(str(error)) from None
        return LogRecord(
            event_name=record.event_name,
            attributes=self.read_attributes(record.attributes),
            body=self._read_value(record.body),
            time_ns=record.time_unix_nano or record.observed_time_unix_nano,
            severity_number=record.severity_number,
            severity_text=record.severity_text,
            trace_id=record.trace_id.hex(),
            span_id=record.span_id.hex(),
            flags=record.flags,
        )

    def read_attributes(self, pairs: Sequence[KeyValue]) -> dict[str, Any]:
        """Attributes as an object; the last one of equal names.

        Raises:
            Problem: 413 if the request has too many values.
        """
        self._take(len(pairs))
        return {pair.key: self._read_value(pair.value) for pair in pairs}

    def _read_value(self, value: AnyValue) -> Any:
        """A value as JSON has it: bytes as Base64, and doubles that aren't finite as their names."""
        match value.WhichOneof("value"):
            case "string_value":
                return value.string_value
            case "bool_value":
                return value.bool_value
            case "int_value":
                return value.int_value
            case "double_value":
                return _write_double(value.double_value)
            case "array_value":
                self._take(len(value.array_value.values))
                return [self._read_value(one) for one in value.array_value.values]
            case "kvlist_value":
                return self.read_attributes(value.kvlist_value.values)
            case "bytes_value":
                return base64.b64encode(value.bytes_value).decode()
            case _:
                return None

    def _take(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise too_many_values(MAX_VALUES)


def split(body: bytes, most: int, max_bytes: int, values: ValueReader) -> Iterator[ScopeLogs]:
    """The scopes of a request, with their records, which aren't read here.

    Args:
        most: how many records, and how many scopes, there may be.
        max_bytes: of a resource or a scope.

    Raises:
        Problem: 400 if it isn't OTLP's protobuf, 413 if it is too much.
    """
    reader = FieldReader(most)
    left = most
    for number, group in enumerate(reader.read(body)[RESOURCE_LOGS]):
        fields = reader.read(group)
        if not fields[SCOPE_LOGS]:
            continue
        # A message that is sent in several parts is the same as their bytes in one.
        resource = _parse(Resource, b"".join(fields[RESOURCE]), max_bytes)
        hashed = hash_resource(values.read_attributes(resource.attributes))
        for position, part in enumerate(fields[SCOPE_LOGS]):
            inner = reader.read(part)
            left -= max(1, len(inner[LOG_RECORDS]))
            if left < 0:
                raise too_many_records(most)
            scope = _parse(InstrumentationScope, b"".join(inner[SCOPE]), max_bytes)
            start = hash_scope(hashed, scope.name, scope.version, values.read_attributes(scope.attributes))
            yield ScopeLogs(f"/resourceLogs/{number}/scopeLogs/{position}/logRecords", start, inner[LOG_RECORDS])


def write_response(rejected: int, message: str) -> bytes:
    """The answer to a request that was taken."""
    if not rejected:
        return ExportLogsServiceResponse().SerializeToString()
    told = ExportLogsPartialSuccess(rejected_log_records=rejected, error_message=message)
    return ExportLogsServiceResponse(partial_success=told).SerializeToString()


def write_status(code: int, message: str) -> bytes:
    """A `google.rpc.Status`. Its fields are those of a partial success: a number, and a text."""
    return ExportLogsPartialSuccess(rejected_log_records=code, error_message=message).SerializeToString()


def not_protobuf(reason: str) -> Problem:
    """The problem for a body that isn't OTLP's protobuf."""
    return Problem(400, "invalid_protobuf", f"The body isn't logs in OTLP's protobuf: {reason}.")


def _write_double(number: float) -> msgspec.Raw | str:
    if math.isfinite(number):
        return write_double(number)
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _parse(kind: type[Parsed], sent: bytes, max_bytes: int) -> Parsed:
    if len(sent) > max_bytes:
        detail = f"A resource or a scope may have {max_bytes} bytes; this one has {len(sent)}."
        raise Problem(413, "event_too_large", detail)
    try:
        return kind.FromString(sent)
    except DecodeError as error:
        raise not_protobuf(str(error)) from None


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    """An integer in the base-128 encoding, and the position behind it."""
    value = 0
    for number in range(MAX_VARINT):
        if at + number >= len(message):
            raise not_protobuf("a number is broken off")
        byte = message[at + number]
        value |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return value, at + number + 1
    raise not_protobuf("a number has too many bytes")
