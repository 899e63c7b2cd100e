"""POST /events: HTTP in, HTTP out.

A plain WSGI callable beside the Flask app: Flask's dispatch costs as much as storing an event does
(docs/adr/0003-fast-path.md).
"""

from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl
from uuid import UUID
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
from msgspec import UNSET
from werkzeug.http import parse_options_header

from event_tracker.collector import metrics
from event_tracker.collector.authentication import Authenticator, Credentials
from event_tracker.collector.parsing.batch import WHITESPACE, Batch, split_batch
from event_tracker.collector.parsing.decompression import gunzip
from event_tracker.collector.parsing.enrichment import Enrichment
from event_tracker.collector.parsing.parser import Parser, ParseResult
from event_tracker.collector.rate_limit import RateLimit
from event_tracker.collector.receipts import BatchReceipt, Receipt, add_outcomes, make_batch_receipt
from event_tracker.collector.rejections.recorder import RejectionRecorder, read_client
from event_tracker.collector.settings import CollectorSettings
from event_tracker.collector.tracking_plan.plans import SET_ASIDE
from event_tracker.collector.writer import EventWriter, PendingRequest
from event_tracker.core.http.connections import read_body
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.memory_budget import CLIENT, reservation_of
from event_tracker.core.http.middleware import REQUEST_ID, ROUTE, answer, bearer_token
from event_tracker.model.event import EventError
from event_tracker.model.storing.row import ReceivedOutcome

_encode = msgspec.json.Encoder().encode

STORED, DUPLICATE, EXPIRED, ACCEPTED, REJECTED = (
    metrics.EVENTS.labels(outcome) for outcome in ("stored", "duplicate", "expired", "accepted", "rejected")
)

JSON_TYPES = frozenset({"application/json", "text/plain"})
NDJSON = "application/x-ndjson"

GZIPPED = ("gzip", "x-gzip")
"""Names of one encoding (RFC 9110 section 8.4.1.3)."""

ERROR_BYTES = 200
"""An estimate of the memory that an error or a warning takes beside its texts."""

BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


PATH = "/events"

PATHS = (PATH, f"{PATH}/", f"/{PATH}", f"/{PATH}/")
"""Paths for posting events. A client with a slash too many in its settings must not lose events, and would by a redirect."""


class Body(NamedTuple):
    """A body as it was sent."""

    sent: bytes
    is_gzipped: bool
    is_ndjson: bool


class Intake:
    """What `POST /events` and the protocols of other clients share: whose request it is, how many events it may hold, storing them.

    Attributes:
        enrichment: None if nothing is added to events.
    """

    def __init__(
        self,
        settings: CollectorSettings,
        authenticator: Authenticator,
        rate_limit: RateLimit,
        parser: Parser,
        writer: EventWriter,
        rejections: RejectionRecorder,
    ) -> None:
        self.settings = settings
        self.authenticator = authenticator
        self.rate_limit = rate_limit
        self.parser = parser
        self.writer = writer
        self.rejections = rejections
        self.enrichment = (
            Enrichment(settings.enrich, settings.country_database, settings.trusted_hops) if settings.enrich else None
        )

    def authenticate(self, environ: WSGIEnvironment, key: str | None) -> Credentials:
        """Find the source of a request, for whom its memory counts from now on.

        Raises:
            Problem: what `Authenticator.authenticate` raises.
        """
        credentials = self.authenticator.authenticate(environ, key)
        environ[CLIENT] = credentials.prefix or environ.get("REMOTE_ADDR")
        return credentials

    def least_events(self, body: bytes) -> int:
        """The least number of events that a request with this body is charged for: an event has a size limit."""
        return max(1, len(body) // self.settings.max_event_bytes)

    def store(
        self, environ: WSGIEnvironment, parsed: ParseResult, request: PendingRequest, client: str | None = None
    ) -> tuple[ParseResult, Sequence[ReceivedOutcome]]:
        """Store the valid events, count all, and keep the refused ones.

        Args:
            client: which program sent them. If it isn't given, the request's User-Agent says so.

        Returns:
            The result, with what the database refused, and the outcomes of the rows that were parsed.

        Raises:
            Problem: 503 if they can't be stored.
        """
        outcomes = self.writer.store(parsed.rows, request) if parsed.rows else []
        if outcomes.count("stored") + outcomes.count("accepted") < len(outcomes):
            parsed = add_outcomes(parsed, outcomes)
        _count(parsed, outcomes)
        if parsed.refused:
            self.rejections.keep(request.source, parsed, client or read_client(environ))
        return parsed, outcomes


class PostEvents:
    """Answers requests to `PATHS`."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.settings = intake.settings

    def post_events(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """The WSGI application."""
        environ[ROUTE] = PATH
        if environ["REQUEST_METHOD"] != "POST":
            raise Problem(
                405,
                "method_not_allowed",
                "Events are posted here; the query service answers GET.",
                headers={"Allow": "POST"},
            )
        dry_run, key = _read_parameters(environ.get("QUERY_STRING", ""))
        intake = self.intake
        credentials = intake.authenticate(environ, bearer_token(environ) or environ.get("HTTP_X_WRITE_KEY") or key)
        body = self._receive(environ)
        added = intake.enrichment.derive(environ) if intake.enrichment else None
        batch, headers = self._accept(environ, body, credentials)
        with intake.writer.queue.reserve(credentials.source, len(batch.events)) as request:
            parsed = intake.parser.read(batch, source=credentials.source, plan=credentials.plan, added=added)
            request.request_id = environ[REQUEST_ID]
            del body, batch  # the rows may wait for long, and have copies of the events
            if parsed.errors or parsed.warnings:
                size = sum(map(estimate_size, parsed.errors)) + sum(map(estimate_size, parsed.warnings))
                reservation_of(environ).add(size)
            status, receipt = _dry_run(parsed) if dry_run else self._store(environ, parsed, request)
        return answer(start_response, status, _encode(receipt), headers=headers)

    def _receive(self, environ: WSGIEnvironment) -> Body:
        """Read the body, as it was sent.

        Raises:
            Problem: 415 if its media type or encoding isn't understood, and what `read_body` raises.
        """
        is_ndjson = _read_media_type(environ) == NDJSON
        encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
        if encoding not in ("", "identity", *GZIPPED):
            raise Problem(415, "unsupported_encoding", f"Content-Encoding must be gzip or absent, not {encoding[:40]}.")
        sent = read_body(environ, self.settings.max_body_bytes, self.settings.body_seconds)
        return Body(sent, encoding in GZIPPED, is_ndjson)

    def _accept(
        self, environ: WSGIEnvironment, body: Body, credentials: Credentials
    ) -> tuple[Batch, list[tuple[str, str]]]:
        """Charge the rate limit and split the body; return the events, not decoded yet, and the rate limit's headers.

        Raises:
            Problem: 429 if the rate limit is exceeded, and what `gunzip` and `split_batch` raise.
        """
        prefix, rate = credentials.prefix, credentials.rate_limit
        if not (prefix and rate):
            return split_body(self._unpack(environ, body), self.settings.max_events, ndjson=body.is_ndjson), []
        # A request over its limit isn't even decompressed or split.
        intake = self.intake
        taken = intake.least_events(body.sent)
        intake.rate_limit.take(prefix, rate, taken)
        unpacked = self._unpack(environ, body)
        fewest = intake.least_events(unpacked)
        if fewest != taken:
            intake.rate_limit.take(prefix, rate, fewest, taken)
        batch = split_body(unpacked, self.settings.max_events, ndjson=body.is_ndjson)
        return batch, intake.rate_limit.take(prefix, rate, max(fewest, len(batch.events)), fewest)

    def _unpack(self, environ: WSGIEnvironment, body: Body) -> bytes:
        """The decompressed body, without the byte order mark that some Windows clients send."""
        if body.is_gzipped:
            return gunzip(body.sent, self.settings.max_body_bytes, reservation_of(environ)).removeprefix(BOM_UTF8)
        return body.sent.removeprefix(BOM_UTF8)

    def _store(
        self, environ: WSGIEnvironment, parsed: ParseResult, request: PendingRequest
    ) -> tuple[int, Receipt | BatchReceipt]:
        parsed, outcomes = self.intake.store(environ, parsed, request)
        _require_valid(parsed)
        if parsed.is_batch:
            return make_batch_receipt(parsed, outcomes)
        status = 201 if "stored" in outcomes else 202 if "accepted" in outcomes else 200
        return status, _make_receipt(parsed, str(outcomes[0]))


def _dry_run(parsed: ParseResult) -> tuple[int, Receipt | BatchReceipt]:
    _require_valid(parsed)
    return make_batch_receipt(parsed) if parsed.is_batch else (200, _make_receipt(parsed, "valid"))


def split_body(body: bytes, most: int, *, ndjson: bool = False) -> Batch:
    """Split a body into its events, which aren't decoded here. Most bodies are one event.

    Raises:
        Problem: what `split_batch` raises.
    """
    if ndjson or body.lstrip(WHITESPACE)[:1] == b"[":
        return split_batch(body, most, ndjson=ndjson)
    return Batch([body], is_batch=False)


def estimate_size(error: EventError) -> int:
    """An estimate of an error's or warning's memory until the answer has been sent: known before anything is stored."""
    return ERROR_BYTES + len(error.pointer) + len(error.detail)


def _read_parameters(query: str) -> tuple[bool, str | None]:
    """Read `dry_run` and `write_key`. Unknown parameters are refused: with a misspelt `dry_run`, events would be stored."""
    if not query:
        return False, None
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    value = parameters.pop("dry_run", "false")
    key = parameters.pop("write_key", None)
    if parameters:
        wrong = ", ".join(parameters)
        raise Problem(
            422, "unknown_parameter", f"This endpoint has no parameter {wrong}; it has dry_run and write_key."
        )
    if value not in BOOLEANS:
        raise Problem(422, "invalid_parameter", "dry_run must be true or false.")
    return BOOLEANS[value], key


def _read_media_type(environ: WSGIEnvironment) -> str:
    """The body's media type.

    Raises:
        Problem: 415 if it isn't one of those for events.
    """
    sent: str = environ.get("CONTENT_TYPE", "")
    if sent == "application/json":
        return sent
    name, parameters = parse_options_header(sent)
    name = name.lower()
    charset = parameters.get("charset", "").lower()
    if name not in JSON_TYPES and name != NDJSON:
        wanted = "application/json, application/x-ndjson, or text/plain holding JSON"
        raise Problem(415, "unsupported_media_type", f"Content-Type must be {wanted}; it is {name or 'missing'}.")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise Problem(415, "unsupported_charset", f"The body must be UTF-8, not {charset[:40]}.")
    return name


def _make_receipt(parsed: ParseResult, status: str) -> Receipt:
    row = parsed.rows[0]
    return Receipt(UUID(bytes=row.event_id), row.timestamp, status, parsed.warnings or UNSET)


def _require_valid(parsed: ParseResult) -> None:
    if parsed.received and not parsed.rows:
        what = "No event of this request is valid" if parsed.is_batch else "The event isn't valid"
        raise Problem(422, "invalid_events", f"{what}; nothing is stored. `errors` says why.", errors=parsed.errors)


def _count(parsed: ParseResult, outcomes: Sequence[ReceivedOutcome]) -> None:
    STORED.inc(outcomes.count("stored"))
    DUPLICATE.inc(outcomes.count("duplicate"))
    EXPIRED.inc(outcomes.count("expired"))
    ACCEPTED.inc(outcomes.count("accepted"))
    if parsed.rejected:
        REJECTED.inc(parsed.rejected)
        for error in parsed.errors:
            metrics.REJECTED_BY_CODE.labels(error.code).inc()
    if parsed.warnings:
        told = [warning.code for row in parsed.rows for warning in row.warnings]
        metrics.UNCHECKED.inc(told.count(SET_ASIDE))
        metrics.FLAGGED.inc(sum(row.violations is not None for row in parsed.rows))
