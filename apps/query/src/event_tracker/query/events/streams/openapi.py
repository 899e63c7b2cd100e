"""OpenAPI of the streams."""

from typing import Any

from event_tracker.core.http.errors import CONTENT_TYPE
from event_tracker.core.http.openapi import Document
from event_tracker.query.events.filters import EventsSchema
from event_tracker.query.events.openapi import PROBLEMS, PROPERTY
from event_tracker.query.events.streams.formats import FORMATS
from event_tracker.query.events.streams.parameters import ExportEventsSchema

TEXT = {"schema": {"type": "string"}}
WRONG = {
    "description": "Parameters are wrong: `errors` has every mistake.",
    "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/InvalidParameters"}}},
}


def describe_streams(document: Document) -> None:
    """Add the operations to the document."""
    written = {encoder.content_type.split(";")[0]: TEXT for encoder in FORMATS.values()}
    document.path(
        "/events/export",
        "get",
        {
            "operationId": "export_events",
            "tags": ["events"],
            "summary": "All events of a filter as a file, newest first. A body without its end was broken off.",
            "parameters": _parameters(document, ExportEventsSchema),
            "responses": {"200": {"description": "The file.", "content": written}, "422": WRONG},
        },
        PROBLEMS,
    )
    document.path(
        "/events/live",
        "get",
        {
            "operationId": "live_events",
            "tags": ["events"],
            "summary": "Events as they are stored: server-sent events `event`, and `dropped` with a count for slow readers.",
            "parameters": _parameters(document, EventsSchema),
            "responses": {"200": {"description": "Until either side ends it.", "content": {"text/event-stream": TEXT}}, "422": WRONG},
        },
        PROBLEMS,
    )  # fmt: skip


def _parameters(document: Document, schema: Any) -> list[dict[str, Any]]:
    return [PROPERTY if one["name"] == "property" else one for one in document.parameters(schema)]
