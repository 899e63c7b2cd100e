"""The WSGI application of a protocol: authenticate, receive, limit the rate, reserve, map, parse, store, count, answer.

All but mapping and answering is as for POST /events, in the same parts.
"""

from codecs import BOM_UTF8
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from event_tracker.collector import metrics
from event_tracker.collector.authentication import Credentials
from event_tracker.collector.parsing.batch import Batch
from event_tracker.collector.parsing.decompression import gunzip
from event_tracker.collector.parsing.parser import Parser, ParseResult, RefusedEvent
from event_tracker.collector.parsing.validation_errors import shorten
from event_tracker.collector.post_event import Intake, estimate_size
from event_tracker.collector.protocols.protocol import (
    MAX_ADDED_BYTES,
    MAX_BATCH_BYTES,
    MAX_MESSAGES,
    ClientProtocol,
    Envelope,
    Mapped,
)
from event_tracker.collector.protocols.visitors import Visitors
from event_tracker.collector.receipts import BatchReceipt, make_batch_receipt
from event_tracker.core.http.connections import read_body
from event_tracker.core.http.error_mapping import make_problem
from event_tracker.core.http.errors import Problem, body_too_large
from event_tracker.core.http.memory_budget import CLIENT, reservation_of
from event_tracker.core.http.middleware import REQUEST_ID, answer
from event_tracker.core.http.routes import PUBLIC, Route
from event_tracker.core.server.cooperation import TimeSlice
from event_tracker.model.event import EventError

GZIP_MAGIC = b"\x1f\x8b"

RESERVED_BYTES = 16 * 1024
"""After so many bytes of events, the memory that they take is reserved. It isn't after each: that takes as long as reading a message."""

OUTCOMES = ("stored", "duplicate", "expired", "accepted")


class ProtocolEndpoint:
    """Answers POST requests of one protocol."""

    def __init__(self, intake: Intake, protocol: ClientProtocol) -> None:
        self._intake = intake
        self._protocol = protocol
        self._max_messages = max(intake.settings.max_events, MAX_MESSAGES)
        self._max_body_bytes = max(intake.settings.max_body_bytes, MAX_BATCH_BYTES)
        limits = intake.parser
        self._parser = Parser(limits.max_event_bytes + MAX_ADDED_BYTES, limits.max_body_bytes, limits.earliest)

    def respond(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """The WSGI application."""
        try:
            return self._post(environ, start_response)
        except Exception as error:
            # The cause is for the log, if it is one that nobody expected.
            cause = None if isinstance(error, Problem) else error
            raise self._protocol.refuse(make_problem(error), environ) from cause

    def _post(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        if environ["REQUEST_METHOD"] != "POST":
            raise Problem(405, "method_not_allowed", "Messages are posted here.", headers={"Allow": "POST"})
        intake, protocol = self._intake, self._protocol
        parameters = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        key = protocol.find_key(environ, parameters)
        credentials = None if protocol.has_key_in_body and not key else intake.authenticate(environ, key or None)
        environ.setdefault(CLIENT, environ.get("REMOTE_ADDR"))  # until the body tells whose it is
        sent = read_body(environ, self._max_body_bytes, intake.settings.body_seconds)
        charged = intake.least_events(sent)
        if credentials:
            self._charge(credentials, charged)
        body = self._unpack(environ, sent)
        del sent
        if not credentials:
            credentials = intake.authenticate(environ, protocol.find_key_in_body(body))
            self._charge(credentials, charged)
        envelope = protocol.open(body, environ, self._max_messages)
        headers = self._charge(credentials, max(charged, envelope.count, intake.least_events(body)), charged)
        del body  # what waits to be stored has copies of the events
        with intake.writer.queue.reserve(credentials.source, envelope.count) as request:
            request.request_id = environ[REQUEST_ID]
            visitors = Visitors(intake.enrichment, environ) if intake.enrichment else None
            mapped, unkept = self._map(environ, envelope, visitors)
            parsed = self._parse(mapped, credentials, visitors)
            places = [(message.place, {} if message.findings else message.fields) for message in mapped]
            client = next((message.client for message in mapped if message.client), None)
            del mapped, envelope
            reservation_of(environ).add(sum(map(estimate_size, [*parsed.errors, *parsed.warnings])))
            parsed, outcomes = intake.store(environ, parsed, request, client)
        counts = {outcome: outcomes.count(outcome) for outcome in OUTCOMES} | {"rejected": parsed.rejected + unkept}
        for outcome, number in counts.items():
            if number:
                metrics.PROTOCOL_EVENTS.labels(protocol.name, outcome).inc(number)
        _, receipt = make_batch_receipt(parsed, outcomes)
        receipt = msgspec.structs.replace(
            _relocate(receipt, places), received=receipt.received + unkept, rejected=receipt.rejected + unkept
        )
        client_answer = protocol.answer(receipt, environ)
        return answer(start_response, client_answer.status, client_answer.body, client_answer.content_type, headers)

    def _charge(self, credentials: Credentials, events: int, charged: int = 0) -> list[tuple[str, str]]:
        """Charge the rate limit for so many messages, of which `charged` were charged before; return its headers.

        Raises:
            Problem: 429 if the rate limit is exceeded.
        """
        prefix, rate = credentials.prefix, credentials.rate_limit
        return self._intake.rate_limit.take(prefix, rate, events, charged) if prefix and rate else []

    def _unpack(self, environ: WSGIEnvironment, sent: bytes) -> bytes:
        """The decompressed body: gzip is known by its beginning, since clients send it under any Content-Type, and unlabelled."""
        if sent.startswith(GZIP_MAGIC):
            sent = gunzip(sent, self._max_body_bytes, reservation_of(environ))
        return sent.removeprefix(BOM_UTF8)

    def _map(self, environ: WSGIEnvironment, envelope: Envelope, visitors: Visitors | None) -> tuple[list[Mapped], int]:
        """Map all messages; lets other requests run meanwhile. With it, how many count as refused and aren't kept.

        Raises:
            Problem: 413 if the events together are larger than a body may be: what a batch says of all is in each of them.
        """
        reservation = reservation_of(environ)
        mapped: list[Mapped] = []
        size = reserved = unkept = 0
        time_slice = TimeSlice()
        for message in envelope.map(visitors.describe if visitors else lambda _, __: None):
            time_slice.yield_when_over()
            if message is None:
                unkept += 1
                continue
            mapped.append(message)
            if visitors:
                visitors.end_message()
            size += len(message.event)
            if size > self._max_body_bytes:
                raise body_too_large(self._max_body_bytes)
            if size - reserved > RESERVED_BYTES:
                reservation.add(size - reserved)
                reserved = size
        reservation.add(size - reserved)
        return mapped, unkept

    def _parse(self, mapped: Sequence[Mapped], credentials: Credentials, visitors: Visitors | None) -> ParseResult:
        """Parse the events. Of those that are refused already, the parser gets a stand-in, so that positions stay."""
        refused_messages = {index: message for index, message in enumerate(mapped) if message.findings}
        batch = Batch([b"null" if message.findings else message.event for message in mapped])
        parsed = self._parser.read(batch, source=credentials.source, plan=credentials.plan, added=visitors)
        if not refused_messages:
            return parsed
        errors = [error for error in parsed.errors if error.index not in refused_messages]
        for index, message in refused_messages.items():
            errors += [
                EventError(index, f"/{index}{pointer}", code, detail) for pointer, code, detail in message.findings
            ]
        refused = [
            RefusedEvent(event.position, refused_messages[event.position].event)
            if event.position in refused_messages
            else event
            for event in parsed.refused
        ]
        errors.sort(key=lambda error: error.index)
        return msgspec.structs.replace(parsed, errors=errors, refused=refused)


Places = Sequence[tuple[str, Mapping[str, str]]]
"""Where each message is in the body, and where the fields of its event are in it."""


def _relocate(receipt: BatchReceipt, places: Places) -> BatchReceipt:
    """The receipt with pointers into the request's body."""
    changed: dict[str, Any] = {}
    for name in ("errors", "warnings"):
        listed = getattr(receipt, name)
        if listed:
            changed[name] = [_locate(error, places) for error in listed]
    return msgspec.structs.replace(receipt, **changed) if changed else receipt


def _locate(error: EventError, places: Places) -> EventError:
    place, fields = places[error.index]
    return msgspec.structs.replace(
        error, pointer=shorten(place + _translate(error.pointer.removeprefix(f"/{error.index}"), fields))
    )


def _translate(pointer: str, fields: Mapping[str, str]) -> str:
    """A pointer in an event as one in its message: by its first two names, else by its first."""
    names = pointer.split("/", 3)
    for number in (3, 2):
        beginning = "/".join(names[:number])
        if beginning in fields:
            return "/".join([fields[beginning], *names[number:]])
    return pointer


PROBLEMS = {
    400: "Not a request of this protocol, too large, or no message is valid (`errors` says why).",
    401: "No write key where one is required, or a wrong or revoked one.",
    403: "The key's source is disabled, or doesn't take events from pages of this origin.",
    408: "The body came too slowly.",
    429: "The key's source may send no more events at present, or the client has half of the memory that requests may have.",
    503: "The database is unavailable, the queue full, or there is no time to hold events to schemas. Nothing is acknowledged; resend "
    "after Retry-After seconds.",
}
"""What protocols refuse requests with, for the document."""


def make_post_routes(
    view: Callable[[WSGIEnvironment, StartResponse], list[bytes]],
    paths: Sequence[str],
    summary: str,
    **documentation: Any,
) -> list[Route]:
    """A route for each path, with and without a slash at its end, since some clients take a redirect for success. The document has the
    first one."""
    documented, *others = [path + slash for path in paths for slash in ("", "/")]
    return [
        Route("POST", documented, view, summary, access=PUBLIC, is_fast=True, **documentation),
        *(Route("POST", path, view, access=PUBLIC, is_fast=True) for path in others),
    ]
