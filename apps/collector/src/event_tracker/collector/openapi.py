"""POST /events in OpenAPI."""

from typing import Any

from marshmallow import Schema, fields

from event_tracker.collector.parsing.event_schema import EventSchema
from event_tracker.collector.parsing.validation_errors import CODES
from event_tracker.core.http.openapi import Document

JSON = "application/json"

WARNINGS = (
    "What is to be known of events that aren't refused: how they violate their schemas (mode `warn`), that a schema is set aside, "
    "that characters were replaced; or that retention has deleted the events of that time, and the event isn't stored (`expired`)."
)


class EventErrorSchema(Schema):
    """One thing that is wrong with one event."""

    index = fields.Integer(required=True, metadata={"description": "Which event of the request, from 0."})
    pointer = fields.String(
        required=True, metadata={"description": "JSON Pointer to the value, below the request's body."}
    )
    code = fields.String(required=True, metadata={"enum": sorted(CODES)})
    detail = fields.String(required=True)
    schema_version = fields.Integer(
        metadata={"description": "With `schema_violation`: the version of the schema that is violated."}
    )


class ReceiptSchema(Schema):
    """What became of a single event."""

    event_id = fields.UUID(required=True)
    timestamp = fields.DateTime(required=True)
    status = fields.String(required=True, metadata={"enum": ["stored", "duplicate", "expired", "valid"]})
    warnings = fields.List(fields.Nested(EventErrorSchema), metadata={"description": WARNINGS})


class BatchReceiptSchema(Schema):
    """What became of a batch. What `errors` doesn't list needn't be sent again: it is stored, or expired."""

    received = fields.Integer(required=True)
    stored = fields.Integer(required=True, metadata={"description": "New, and committed."})
    duplicates = fields.Integer(required=True, metadata={"description": "Known already, or twice in this request."})
    expired = fields.Integer(
        metadata={
            "description": "Not stored: retention has deleted the events of that time. Left out if there are none."
        }
    )
    rejected = fields.Integer(required=True)
    errors = fields.List(fields.Nested(EventErrorSchema))
    warnings = fields.List(fields.Nested(EventErrorSchema), metadata={"description": WARNINGS})
    status = fields.String(metadata={"enum": ["valid"], "description": "Only with dry_run."})


def describe(document: Document) -> None:
    """Add the operation to the document."""
    for name, schema in (("Event", EventSchema), ("Receipt", ReceiptSchema), ("BatchReceipt", BatchReceiptSchema)):
        document.component(name, schema)
    event = {"$ref": "#/components/schemas/Event"}
    receipt = {"$ref": "#/components/schemas/Receipt"}
    batch_receipt = {"$ref": "#/components/schemas/BatchReceipt"}
    events = {"oneOf": [event, {"type": "array", "items": event, "minItems": 1}]}

    def answered(description: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {"description": description, "content": {JSON: {"schema": schema}}}

    dry_run = {
        "name": "dry_run",
        "in": "query",
        "description": "Validate and store nothing.",
        "schema": {"type": "boolean", "default": False},
    }
    write_key = {
        "name": "write_key",
        "in": "query",
        "description": "A source's write key, for navigator.sendBeacon, which can't send headers. Others send it as "
        "`Authorization: Bearer` or `X-Write-Key`: what stands in a URL may end in a proxy's log.",
        "schema": {"type": "string"},
    }
    operation = {
        "operationId": "post_events",
        "tags": ["events"],
        "summary": "Store events.",
        "description": "One event, or a batch as an array or NDJSON; `Content-Encoding: gzip` is understood. Resend on 408, 429, 5xx and "
        "silence, never on another 4xx; resending is always safe.",
        "parameters": [dry_run, write_key],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": events},
                "application/x-ndjson": {"schema": {"type": "string"}},
                "text/plain": {"schema": {"type": "string"}},
            },
        },
        "responses": {
            "200": answered(
                "A known or expired event; a batch all stored, known or expired; or a dry run.",
                {"oneOf": [receipt, batch_receipt]},
            ),
            "201": answered("One event stored.", receipt),
            "207": answered("Some events of the batch were refused, the rest is stored (or expired).", batch_receipt),
        },
    }
    problems = {
        400: "Not JSON, not gzip, or broken off.",
        401: "No write key where one is required, or a wrong or revoked one.",
        403: "The key's source is disabled, or doesn't take events from pages of this origin.",
        408: "The body came too slowly.",
        413: "Too many bytes or events.",
        415: "A media type, charset or encoding that isn't understood.",
        422: "No event is valid (`errors` says why), or a parameter isn't.",
        429: "The key's source may send no more events at present: `Retry-After` says when, RateLimit fields how many. Or the client "
        "has half of the memory that requests may have.",
        503: "The database is away, the queue full, or there is no time to hold events to schemas. Nothing is acknowledged; resend "
        "after Retry-After seconds.",
    }
    document.path("/events", "post", operation, problems)
