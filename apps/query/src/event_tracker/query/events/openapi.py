"""OpenAPI of the routes that list and count events."""

from typing import Any

from marshmallow import Schema, fields

from event_tracker.core.http.errors import CONTENT_TYPE
from event_tracker.core.http.openapi import Document, ProblemSchema
from event_tracker.query.events.filters import ListEventsSchema, TopTypesSchema
from event_tracker.query.parameter_types import CODES

JSON = "application/json"

PROPERTY = {
    "name": "property",
    "in": "query",
    "style": "form",
    "explode": True,
    "description": "`property.NAME=value`: events whose `properties` have a member NAME equal to value; several must all match. "
    "Values are compared as text: strings as they are, numbers and booleans as JSON writes them; null equals nothing. "
    "Numbers are compared as numbers: `20`, `20.0` and the string `20` are equal.",
    "schema": {
        "type": "object",
        "propertyNames": {"pattern": r"^property\..+$"},
        "additionalProperties": {"type": "string"},
    },
}
"""A parameter whose name ends in any property's name. OpenAPI describes it as an exploded object."""


class StoredEventSchema(Schema):
    """An event."""

    user_id = fields.String(required=True)
    event_type = fields.String(required=True)
    timestamp = fields.DateTime(required=True)
    event_id = fields.UUID(required=True)
    session_id = fields.String(required=True, allow_none=True)
    properties = fields.Dict(required=True)
    received_at = fields.DateTime(required=True)
    source = fields.String(required=True)


class WindowSchema(Schema):
    """The time range of a response, from `from` (included) to `to` (excluded)."""

    start = fields.DateTime(required=True, data_key="from")
    end = fields.DateTime(required=True, data_key="to")


class EventPageSchema(Schema):
    """A page of events, newest first."""

    events = fields.List(fields.Nested(StoredEventSchema), required=True)
    next_cursor = fields.String(
        required=True, allow_none=True, metadata={"description": "Of the next page; null when there is none."}
    )
    window = fields.Nested(WindowSchema, metadata={"description": "Only without `user_id`."})


class SourceNamesSchema(Schema):
    """Names of sources, in their order."""

    sources = fields.List(fields.String(), required=True)


class TypeCountSchema(Schema):
    """A type and its count."""

    event_type = fields.String(required=True)
    count = fields.Integer(required=True)
    share = fields.Float(required=True, metadata={"description": "Of `total`, 0 to 1."})


class TopTypesAnswerSchema(Schema):
    """Exact counts by type."""

    start = fields.DateTime(
        required=True, allow_none=True, data_key="from", metadata={"description": "As asked; null is no bound."}
    )
    end = fields.DateTime(
        required=True, allow_none=True, data_key="to", metadata={"description": "As asked; null is no bound."}
    )
    tz = fields.String(required=True, metadata={"enum": ["UTC"]})
    as_of = fields.DateTime(required=True, metadata={"description": "What was committed by then is counted."})
    items = fields.List(
        fields.Nested(TypeCountSchema), required=True, metadata={"description": "Most frequent first, ties by name."}
    )
    total = fields.Integer(required=True, metadata={"description": "Events of all types, listed or not."})


class ParameterErrorSchema(Schema):
    """An error in a parameter."""

    parameter = fields.String(required=True)
    code = fields.String(required=True, metadata={"enum": sorted(CODES)})
    detail = fields.String(required=True)


class InvalidParametersSchema(ProblemSchema):
    """All errors in the parameters."""

    errors = fields.List(fields.Nested(ParameterErrorSchema), required=True)


PROBLEMS = {
    400: "The query string isn't UTF-8, or has too many parameters.",
    429: "Whoever asks has half of the memory, or of the places, that there are, or 100 questions waiting; ask again after "
    "Retry-After seconds.",
    503: "The database is away or busy; ask again after Retry-After seconds.",
    504: "The database took longer than STATEMENT_SECONDS; ask for less.",
}


def describe_events(document: Document) -> None:
    """Add the operations to the document."""
    document.component("StoredEvent", StoredEventSchema)
    document.component("Window", WindowSchema)
    document.component("EventPage", EventPageSchema)
    document.component("SourceNames", SourceNamesSchema)
    document.component("TypeCount", TypeCountSchema)
    document.component("TopTypes", TopTypesAnswerSchema)
    document.component("ParameterError", ParameterErrorSchema)
    document.component("InvalidParameters", InvalidParametersSchema)
    events = document.parameters(ListEventsSchema)
    events = [PROPERTY if parameter["name"] == "property" else parameter for parameter in events]
    document.path(
        "/events",
        "get",
        operation("list_events", "events", "Events, newest first.", events, "EventPage"),
        PROBLEMS,
    )
    sources = operation("name_sources", "sources", "The sources whose events may be read.", [], "SourceNames")
    document.path("/sources", "get", sources, PROBLEMS)
    document.path(
        "/stats/top-types",
        "get",
        operation(
            "top_types", "stats", "The most frequent types, exactly.", document.parameters(TopTypesSchema), "TopTypes"
        ),
        PROBLEMS,
    )


def operation(name: str, tag: str, summary: str, parameters: list[dict[str, Any]], answer: str) -> dict[str, Any]:
    """An operation whose answer is the component of this name."""

    def answered(description: str, media_type: str, schema: str) -> dict[str, Any]:
        content = {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
        return {"description": description, "content": content}

    return {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": answered("The answer.", JSON, answer),
            "422": answered("Parameters are wrong: `errors` has every mistake.", CONTENT_TYPE, "InvalidParameters"),
        },
    }
