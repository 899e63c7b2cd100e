"""POST /events: HTTP in, HTTP out.

A plain WSGI callable beside the Flask app: Flask's dispatch costs as much as storing an event does
(docs/adr/0003-fast-path.md).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from msgspec import structs

from event_tracker.collector import metrics
from event_tracker.collector.authentication import Authenticator, Credentials
from event_tracker.collector.fair_queue import QueuePlace
from event_tracker.collector.parsing.body import NDJSON, Batch, Body, media_type, receive_body, split_body, unpack
from event_tracker.collector.parsing.enrichment import NO_PROPERTIES, Enrichment
from event_tracker.collector.parsing.parser import SET_ASIDE, Parser, ParseResult
from event_tracker.collector.rate_limit import RateLimit
from event_tracker.collector.rejections.recorder import RejectionRecorder
from event_tracker.collector.row_encoding import Row
from event_tracker.collector.settings import CollectorSettings
from event_tracker.collector.writer import NotStorableError, Outcome, PendingRequest, Writer
from event_tracker.core.http.body_limit import Reservation, reservation_of
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.middleware import ROUTE, answer
from event_tracker.model.event import PAST_RETENTION, EventError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_encode = msgspec.json.Encoder().encode

STORED, DUPLICATE, EXPIRED, REJECTED = (
    metrics.EVENTS.labels(outcome) for outcome in ("stored", "duplicate", "expired", "rejected")
)

ERROR_BYTES = 200

BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


PATH = "/events"

PATHS = (PATH, f"{PATH}/", f"/{PATH}", f"/{PATH}/")
"""Paths for posting events. A client with a slash too many in its settings must not lose events, and would by a redirect."""


class OutcomeCounts(NamedTuple):
    """How many events of a request had each outcome, without the refused ones."""

    stored: int = 0
    duplicate: int = 0
    expired: int = 0


class PostEvents:
    """Answers requests to `PATHS`."""

    def __init__(
        self,
        settings: CollectorSettings,
        authenticator: Authenticator,
        rate_limit: RateLimit,
        parser: Parser,
        writer: Writer,
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

    def post_events(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
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
        credentials = self.authenticator.authenticate(environ, key)
        kind = media_type(environ)
        reservation = reservation_of(environ)
        reservation.belong_to(credentials.prefix or environ.get("REMOTE_ADDR"))
        body = receive_body(environ, self.settings.max_body_bytes, self.settings.body_seconds, reservation)
        added = self.enrichment.derive(environ) if self.enrichment else NO_PROPERTIES
        batch, headers = self._accept(body, kind, credentials, reservation)
        with self.writer.reserve(credentials.source, len(batch.events)) as place:
            parsed = self.parser.read(batch, source=credentials.source, plan=credentials.plan, added=added)
            del body, batch  # the rows may wait for long, and have copies of the events
            if parsed.errors or parsed.warnings:
                reservation.add(sum(map(_estimate_size, parsed.errors)) + sum(map(_estimate_size, parsed.warnings)))
            status, content = self._dry_run(parsed) if dry_run else self._store(parsed, place)
        return answer(start_response, status, _encode(content), headers=headers)

    def _accept(
        self, body: Body, kind: str, credentials: Credentials, reservation: Reservation
    ) -> tuple[Batch, list[tuple[str, str]]]:
        """Charge the rate limit and split the body; return the events, not decoded yet, and the rate limit's headers.

        Raises:
            Problem: 429 if the rate limit is exceeded, and what `unpack` and `split_body` raise.
        """
        prefix, rate = credentials.prefix, credentials.rate_limit
        most = self.settings.max_body_bytes
        if not (prefix and rate):
            return self._split(unpack(body, most, reservation), kind), []
        # A request over its limit isn't even decompressed or split. An event has a size limit, so bytes give a least number of events.
        taken = self._least_events(body.raw)
        self.rate_limit.take(prefix, rate, taken)
        unpacked = unpack(body, most, reservation)
        fewest = self._least_events(unpacked)
        if fewest != taken:
            self.rate_limit.take(prefix, rate, fewest, taken)
        batch = self._split(unpacked, kind)
        return batch, self.rate_limit.take(prefix, rate, max(fewest, len(batch.events)), fewest)

    def _least_events(self, body: bytes) -> int:
        """The least number of events that a request with this body is charged for."""
        return max(1, len(body) // self.settings.max_event_bytes)

    def _split(self, body: bytes, kind: str) -> Batch:
        return split_body(body, self.settings.max_events, ndjson=kind == NDJSON)

    def _store(self, parsed: ParseResult, place: QueuePlace[PendingRequest]) -> tuple[int, dict[str, Any]]:
        outcomes = self.writer.store(parsed.rows, place) if parsed.rows else []
        counts = OutcomeCounts(outcomes.count("stored"), outcomes.count("duplicate"), outcomes.count("expired"))
        if counts.stored < len(outcomes):
            parsed = _add_outcomes(parsed, outcomes)
        _count_outcomes(parsed, counts)
        if parsed.warnings:
            told = [warning.code for row in parsed.rows for warning in row.warnings]
            metrics.UNCHECKED.inc(told.count(SET_ASIDE))
            metrics.FLAGGED.inc(sum(row.violations is not None for row in parsed.rows))
        if parsed.refused:
            self.rejections.keep(place.source, parsed)
        _require_valid(parsed)
        if not parsed.is_batch:
            return (201 if counts.stored else 200), _make_receipt(parsed, str(outcomes[0]))
        return _make_summary(parsed, counts)

    def _dry_run(self, parsed: ParseResult) -> tuple[int, dict[str, Any]]:
        _require_valid(parsed)
        if not parsed.is_batch:
            return 200, _make_receipt(parsed, "valid")
        status, content = _make_summary(parsed, OutcomeCounts())
        return status, {**content, "status": "valid"}


def _estimate_size(error: EventError) -> int:
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


def _make_receipt(parsed: ParseResult, status: str) -> dict[str, Any]:
    row = parsed.rows[0]
    receipt = {"event_id": UUID(bytes=row.event_id), "timestamp": row.timestamp, "status": status}
    return {**receipt, "warnings": parsed.warnings} if parsed.warnings else receipt


def _make_summary(parsed: ParseResult, counts: OutcomeCounts) -> tuple[int, dict[str, Any]]:
    content: dict[str, Any] = {"received": parsed.received, "stored": counts.stored, "duplicates": counts.duplicate}
    if counts.expired:
        content["expired"] = counts.expired
    content["rejected"] = parsed.rejected
    if parsed.warnings:
        content["warnings"] = parsed.warnings
    return (207, {**content, "errors": parsed.errors}) if parsed.rejected else (200, content)


def _require_valid(parsed: ParseResult) -> None:
    if parsed.received and not parsed.rows:
        what = "No event of this request is valid" if parsed.is_batch else "The event isn't valid"
        raise Problem(422, "invalid_events", f"{what}; nothing is stored. `errors` says why.", errors=parsed.errors)


def _add_outcomes(parsed: ParseResult, outcomes: Sequence[Outcome]) -> ParseResult:
    """The result, with an error for each row that the database refused, and one warning alone for each that expired."""
    invalid = {error.index for error in parsed.errors}
    positions = (index for index in range(parsed.received) if index not in invalid)
    rows: list[Row] = []
    errors, warnings = list(parsed.errors), list[EventError]()
    for index, row, outcome in zip(positions, parsed.rows, outcomes, strict=True):
        pointer = parsed.pointer_to(index)
        if isinstance(outcome, NotStorableError):
            detail = f"The database refused this event ({outcome})."
            errors.append(EventError(index, pointer, "not_storable", detail))
            continue
        rows.append(row)
        if outcome == "expired":
            warnings.append(EventError(index, pointer, "expired", PAST_RETENTION))
        else:
            warnings += row.warnings
    errors.sort(key=lambda error: error.index)
    return structs.replace(parsed, rows=rows, errors=errors, warnings=warnings)


def _count_outcomes(parsed: ParseResult, counts: OutcomeCounts) -> None:
    STORED.inc(counts.stored)
    if counts.duplicate:
        DUPLICATE.inc(counts.duplicate)
    if counts.expired:
        EXPIRED.inc(counts.expired)
    if parsed.rejected:
        REJECTED.inc(parsed.rejected)
    for error in parsed.errors:
        metrics.REJECTED_BY_CODE.labels(error.code).inc()
