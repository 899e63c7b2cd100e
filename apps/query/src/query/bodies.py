"""JSON bodies, read by a marshmallow schema: every mistake is told at once, each with the path to the value."""

from typing import Any

import msgspec
from flask import request
from marshmallow import Schema, ValidationError

from core.bodies import Room, read_body
from core.problems import Problem
from query.parameters import ParameterError, invalid_parameters

MOST_BYTES = 1024 * 1024
BODY_SECONDS = 10.0
"""How long it may take to arrive."""

ROOM = Room(32 * 1024 * 1024)
"""What such bodies may take while they arrive: also those of whoever has yet to sign in."""


def take_body() -> bytes:
    """The request's JSON body, of a modest size.

    Raises:
        Problem: 415, or what `core.bodies.read_body` raises.
    """
    if request.mimetype != "application/json":
        raise Problem(415, "unsupported_media_type", "Must be application/json.")
    with ROOM.share() as share:
        return read_body(request.environ, MOST_BYTES, BODY_SECONDS, share)


def read_json(schema: Schema, body: bytes) -> dict[str, Any]:
    """What the schema loads from a JSON body.

    Raises:
        Problem: 400 if it isn't JSON, 422 with every mistake in it.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(400, "malformed_body", "The body isn't JSON.") from None
    try:
        loaded: dict[str, Any] = schema.load(document)
    except ValidationError as error:
        raise invalid_parameters(_flatten("", error.messages)) from None
    return loaded


def _flatten(path: str, messages: Any) -> list[ParameterError]:
    """marshmallow's messages of a nested document, each under the path to its value, such as steps.1.event_type."""
    if isinstance(messages, list):
        return [ParameterError(path or "body", *_coded(message)) for message in messages]
    return [error for name, inner in messages.items() for error in _flatten(_join(path, name), inner)]


def _join(path: str, name: Any) -> str:
    return ".".join(part for part in (path, str(name)) if part not in ("", "_schema", "value", "key"))


def _coded(message: str | tuple[str, str]) -> tuple[str, str]:
    return ("invalid_value", message) if isinstance(message, str) else message
