"""The route table of the collector."""

from collections.abc import Callable
from typing import Any

from event_tracker.collector.browser.tracker_script import TRACKER
from event_tracker.collector.parsing.event_schema import EventSchema
from event_tracker.collector.post_event import PATH, PATHS
from event_tracker.collector.receipts import BatchReceipt, Receipt
from event_tracker.core.http.routes import JSON, PUBLIC, Answer, Route

TEXT = {"type": "string"}

DRY_RUN = {
    "name": "dry_run",
    "in": "query",
    "description": "Validate and store nothing.",
    "schema": {"type": "boolean", "default": False},
}
WRITE_KEY = {
    "name": "write_key",
    "in": "query",
    "description": "A source's write key, for navigator.sendBeacon, which can't send headers. Others send it as "
    "`Authorization: Bearer` or `X-Write-Key`: what stands in a URL may end in a proxy's log.",
    "schema": TEXT,
}
ANSWERS = {
    200: Answer(
        "A known or expired event; a batch all stored, known or expired; or a dry run.",
        {"oneOf": [Receipt, BatchReceipt]},
    ),
    201: Answer("One event stored.", Receipt),
    202: Answer(
        "With KAFKA_BROKERS only: all valid events are safe with Kafka, and stored later. Whether one is a duplicate isn't known yet.",
        {"oneOf": [Receipt, BatchReceipt]},
    ),
    207: Answer("Some events of the batch were refused, the rest is stored (or accepted, or expired).", BatchReceipt),
}
PROBLEMS = {
    400: "Not JSON, not gzip, or broken off.",
    401: "No write key where one is required, or a wrong or revoked one.",
    403: "The key's source is disabled, or doesn't take events from pages of this origin.",
    408: "The body came too slowly.",
    413: "Too many bytes or events.",
    415: "A media type, charset or encoding that isn't understood.",
    422: "No event is valid (`errors` says why), or a parameter isn't.",
    429: "The key's source may send no more events at present: `Retry-After` says when, RateLimit fields how many. Or the client "
    "has half of the memory that requests may have.",
    503: "The database is unavailable (with KAFKA_BROKERS: no broker can be reached), the queue full, or there is no time to hold "
    "events to schemas. Nothing is acknowledged; resend after Retry-After seconds.",
}


def collector_routes(post_events: Callable[..., Any]) -> list[Route]:
    """All routes of the collector but the common ones. `post_events` is a WSGI application, which checks the write key itself."""
    documented = Route(
        "POST",
        PATH,
        post_events,
        "Store events.",
        access=PUBLIC,
        tag="events",
        description="One event, or a batch as an array or NDJSON; `Content-Encoding: gzip` is understood. Resend on 408, 429, "
        "5xx and silence, never on another 4xx; resending is always safe.",
        parameters=[DRY_RUN, WRITE_KEY],
        body={
            JSON: {"oneOf": [EventSchema, {"type": "array", "items": EventSchema, "minItems": 1}]},
            "application/x-ndjson": TEXT,
            "text/plain": TEXT,
        },
        answers=ANSWERS,
        problems=PROBLEMS,
        is_fast=True,
    )
    others = [Route("POST", path, post_events, access=PUBLIC, is_fast=True) for path in PATHS if path != PATH]
    return [documented, *others, *TRACKER]
