"""Reads JSON bodies by a marshmallow schema. All errors are reported at once, each with the path to the value."""

from collections.abc import Iterator
from typing import Any

import msgspec
from flask import request
from marshmallow import RAISE, Schema, ValidationError

from event_tracker.core.http.connections import read_body
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.memory_budget import reservation_of
from event_tracker.core.json_numbers import decode_json
from event_tracker.query.parameters import ParameterError, invalid_parameters, shorten

MAX_BYTES = 1024 * 1024
SMALL_BYTES = 16 * 1024
"""The limit where no credentials are needed. Names, passwords and a provider's codes are shorter."""

QUESTION_BYTES = 64 * 1024
"""The limit of a body that is a question."""

MAX_VALUES = 20_000
"""Members and items in a body. Each takes some microseconds to check, and the process does nothing else meanwhile."""

BODY_SECONDS = 10.0
"""How long a body may take to arrive."""


class BodySchema(Schema):
    """Base of the bodies: a JSON object without unknown members."""

    class Meta:
        unknown = RAISE


def receive_body(most_bytes: int = MAX_BYTES) -> bytes:
    """Receive the request's JSON body, at most `most_bytes`.

    Raises:
        Problem: 415 for another media type, 503 if the memory budget is used up, or what
            `event_tracker.core.http.connections.read_body` raises.
    """
    if request.mimetype != "application/json":
        raise Problem(415, "unsupported_media_type", "Must be application/json.")
    body = read_body(request.environ, most_bytes, BODY_SECONDS)
    reservation_of(request.environ).add(len(body))  # the decoded document
    return body


def read_json(schema: Schema, body: bytes) -> dict[str, Any]:
    """Decode a JSON body and load it by the schema.

    Raises:
        Problem: 400 if it isn't JSON, 422 if it has too many members and items, or with all errors in it.
    """
    try:
        document = decode_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(400, "malformed_body", "The body isn't JSON.") from None
    _check_size(document)
    try:
        loaded: dict[str, Any] = schema.load(document)
    except ValidationError as error:
        raise invalid_parameters(_flatten("", error.messages)) from None
    return loaded


def _check_size(document: Any) -> None:
    """Return if the document has at most MAX_VALUES members and items.

    Raises:
        Problem: 422.
    """
    found = 0
    unseen = [document]
    while unseen:
        value = unseen.pop()
        if isinstance(value, dict | list):
            found += len(value)
            if found > MAX_VALUES:
                detail = f"The body has more than {MAX_VALUES:,} members and items."
                raise invalid_parameters([ParameterError("body", "too_many", detail)])
            unseen.extend(value.values() if isinstance(value, dict) else value)


def _flatten(path: str, messages: Any) -> Iterator[ParameterError]:
    """Flatten marshmallow's messages of a nested document: each gets the path to its value, such as steps.1.event_type."""
    if isinstance(messages, list):
        for message in messages:
            yield ParameterError(path or "body", *_split_message(message))
    else:
        for name, inner in messages.items():
            yield from _flatten(_join(path, name), inner)


def _join(path: str, name: Any) -> str:
    if isinstance(name, tuple):  # a path, whose names are taken as they are
        return ".".join([path, *map(shorten, map(str, name))])
    # Of a dictionary with any names, marshmallow says whether a key or its value is wrong.
    hidden = ("_schema", "value", "key") if path else ("_schema",)
    return path if name in hidden else ".".join(filter(None, (path, shorten(str(name)))))


def _split_message(message: str | tuple[str, str]) -> tuple[str, str]:
    return ("invalid_value", message) if isinstance(message, str) else message
