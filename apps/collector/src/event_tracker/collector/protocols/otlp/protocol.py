"""OTLP/HTTP for logs: events are taken, log lines counted, and the answer is in the encoding of the request."""

from collections.abc import Callable, Iterator, Mapping
from wsgiref.types import WSGIEnvironment

import msgspec
from msgspec import UNSET

from event_tracker.collector.parsing.batch import UNREADABLE
from event_tracker.collector.protocols.otlp import json_format
from event_tracker.collector.protocols.otlp.records import (
    LogRecord,
    ScopeLogs,
    UnreadableRecordError,
    find_name,
    map_record,
)
from event_tracker.collector.protocols.protocol import (
    MAX_LOG_RECORDS,
    ClientAnswer,
    Describe,
    Mapped,
    find_write_key,
)
from event_tracker.collector.receipts import BatchReceipt
from event_tracker.core.http.errors import Problem
from event_tracker.core.server.cooperation import TimeSlice

HOW = "Send it as `Authorization: Bearer KEY` or as `X-Write-Key: KEY`, by OTEL_EXPORTER_OTLP_LOGS_HEADERS; or as `?write_key=KEY`."

JSON = "application/json"
PROTOBUF = "application/x-protobuf"

CODES = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 413: 8, 415: 3, 429: 8, 500: 13, 503: 14, 504: 4}
"""HTTP statuses → codes of gRPC."""

RETRIED = {408: 503}
"""Statuses that exporters don't send again after, though they should."""

_encode = msgspec.json.Encoder().encode


class StatusProblem(Problem):
    """A problem as OTLP has it: a `google.rpc.Status`, in the encoding of the request."""

    def __init__(self, problem: Problem, media_type: str) -> None:
        detail = f"A write key is required. {HOW}" if problem.code == "key_required" else problem.detail
        status = RETRIED.get(problem.status, problem.status)
        super().__init__(status, problem.code, detail, headers=problem.headers)
        self.content_type = media_type

    def body(self, request_id: str) -> bytes:
        """The status."""
        code, message = CODES.get(self.status, 2), f"{self.code}: {self.detail}"
        if self.content_type != PROTOBUF:
            return _encode({"code": code, "message": message})
        from event_tracker.collector.protocols.otlp.protobuf_format import write_status

        return write_status(code, message)


class LogRecords:
    """The log records of a request, not read yet. Finding them lets other requests run meanwhile.

    Args:
        read: reads one.
    """

    def __init__(
        self, scopes: Iterator[ScopeLogs], read: Callable[[bytes | msgspec.Raw], LogRecord], max_bytes: int
    ) -> None:
        time_slice = TimeSlice()
        self._scopes: list[ScopeLogs] = []
        for scope in scopes:
            time_slice.yield_when_over()
            if scope.records:
                self._scopes.append(scope)
        self.count = sum(len(scope.records) for scope in self._scopes)
        self._read = read
        self._max_bytes = max_bytes

    def map(self, describe: Describe) -> Iterator[Mapped | None]:
        """Each record with an event name as an event, None for the others."""
        for scope in self._scopes:
            for number, sent in enumerate(scope.records):
                yield self._map(sent, scope, f"{scope.place}/{number}")

    def _map(self, sent: bytes | msgspec.Raw, scope: ScopeLogs, place: str) -> Mapped | None:
        size = len(sent)
        if size > self._max_bytes:
            detail = f"A log record may have {self._max_bytes} bytes; this one has {size}."
            return Mapped(bytes(sent), place, {}, [("", "event_too_large", detail)])
        try:
            record = self._read(sent)
            name = find_name(record)
            return map_record(record, name, scope.start, place) if name else None
        except UnreadableRecordError as error:
            finding = ("invalid_protobuf", f"{error}.")
        except RecursionError:
            finding = ("too_deep", "Its values are nested too deep.")
        except msgspec.ValidationError as error:
            finding = ("wrong_type", f"{error}.")
        except UNREADABLE as error:
            finding = ("invalid_json", f"{error}.")
        except ValueError as error:
            finding = ("wrong_type", f"A value {error}.")
        return Mapped(bytes(sent), place, {}, [("", *finding)])


class OtlpLogs:
    """The protocol.

    Args:
        max_record_bytes: most bytes of a record; the same of a resource, and of a scope.
    """

    name = "opentelemetry"
    has_key_in_body = False

    def __init__(self, max_record_bytes: int) -> None:
        self._max_bytes = max_record_bytes

    def find_key(self, environ: WSGIEnvironment, parameters: Mapping[str, str]) -> str | None:
        """The key where POST /events takes it."""
        return find_write_key(environ, parameters)

    def find_key_in_body(self, body: bytes) -> str | None:
        """None: bodies have no key."""
        return None

    def open(self, body: bytes, environ: WSGIEnvironment, max_messages: int) -> LogRecords:
        """Find the records. There may be more than messages of other protocols: most are no events."""
        media_type = read_media_type(environ)
        most = max(max_messages, MAX_LOG_RECORDS)
        if media_type == JSON:
            scopes = json_format.split(body, most, self._max_bytes)
            return LogRecords(scopes, json_format.read_record, self._max_bytes)
        if media_type == PROTOBUF:
            from event_tracker.collector.protocols.otlp import protobuf_format

            values = protobuf_format.ValueReader()
            scopes = protobuf_format.split(body, most, self._max_bytes, values)
            return LogRecords(scopes, values.read_record, self._max_bytes)
        detail = f"Content-Type must be {PROTOBUF} or {JSON}; it is {media_type[:80] or 'missing'}."
        raise Problem(415, "unsupported_media_type", detail)

    def answer(self, receipt: BatchReceipt, environ: WSGIEnvironment) -> ClientAnswer:
        """200, with what was refused as a partial success: exporters don't send that again."""
        message = _explain(receipt)
        if read_media_type(environ) == PROTOBUF:
            from event_tracker.collector.protocols.otlp.protobuf_format import write_response

            return ClientAnswer(200, write_response(receipt.rejected, message), PROTOBUF)
        if not receipt.rejected:
            return ClientAnswer(200, b"{}")
        told = {"rejectedLogRecords": str(receipt.rejected), "errorMessage": message}
        return ClientAnswer(200, _encode({"partialSuccess": told}))

    def refuse(self, problem: Problem, environ: WSGIEnvironment) -> Problem:
        """Exporters send again after 429, 503 and 504. They try for ten seconds in all, so the time to wait stays short."""
        media_type = read_media_type(environ)
        return StatusProblem(problem, PROTOBUF if media_type == PROTOBUF else JSON)


def read_media_type(environ: WSGIEnvironment) -> str:
    """The media type of a body, in lower case."""
    sent: str = environ.get("CONTENT_TYPE", "")
    return sent.partition(";")[0].strip().lower()


def _explain(receipt: BatchReceipt) -> str:
    """What was refused, and why: counts, and the first error."""
    errors = [] if receipt.errors is UNSET else receipt.errors
    refused = len({error.index for error in errors})
    told = []
    if others := receipt.rejected - refused:
        told.append(f"{others} log records have no event name: they are no events, and aren't stored.")
    if errors:
        first = errors[0]
        told.append(f"{refused} events were refused; the first at {first.pointer}: {first.code}: {first.detail}")
    return " ".join(told)
