"""What the routes of several subjects have in common in the OpenAPI document."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from event_tracker.core.http.openapi import Problem
from event_tracker.core.http.routes import Answer, Problems, problem
from event_tracker.query.parameters import ParameterError

TEXT = {"type": "string"}

Time = Annotated[datetime, Meta(tz=True)]
"""A time with an offset, in answers."""

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


class InvalidParameters(Problem):
    """All errors in the parameters."""

    errors: list[ParameterError]


INVALID = problem("Parameters are wrong: `errors` has every mistake.", InvalidParameters)

PROBLEMS: Problems = {
    400: "The query string isn't UTF-8, or has too many parameters.",
    422: INVALID,
    429: "Whoever asks has half of the memory, or of the places, that there are, or 100 questions waiting; ask again after "
    "Retry-After seconds.",
    503: "The database is unavailable or busy; ask again after Retry-After seconds.",
    504: "It took longer than STATEMENT_SECONDS; ask for less.",
}
"""The problems of every question about events."""

BODY_PROBLEMS: Problems = {413: "The body is too large.", 415: "The body isn't application/json."}
"""More problems of questions with a body."""


def answer(schema: Any, description: str = "The answer.") -> dict[int, Answer]:
    """The answers of a route that always answers 200 with this schema."""
    return {200: Answer(description, schema)}


def path_parameter(name: str, description: str = "", **schema: Any) -> dict[str, Any]:
    """A variable of a path, as OpenAPI writes it."""
    described = {"description": description} if description else {}
    return {"name": name, "in": "path", "required": True, "schema": {**TEXT, **schema}, **described}
