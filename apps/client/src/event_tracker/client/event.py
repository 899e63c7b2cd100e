"""An event from what a program gives: checked, with its id and time, as JSON."""

import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

MAX_EVENT_BYTES = 64 * 1024
"""The collector's default limit for an event."""

MAX_ID_LENGTH = 200
MAX_TYPE_LENGTH = 100


def make_event(
    user_id: str,
    event_type: str,
    properties: Mapping[str, Any] | None,
    timestamp: datetime | None,
    event_id: UUID | str | None,
    session_id: str | None,
) -> tuple[str, bytes]:
    """Returns: the event's id, and its JSON in one line.

    Raises:
        TypeError, ValueError: if an argument can't be part of an event. The message begins with its name.
    """
    now = datetime.now(UTC)
    event = {
        "user_id": _text("user_id", user_id, MAX_ID_LENGTH),
        "event_type": _text("event_type", event_type, MAX_TYPE_LENGTH),
        "timestamp": _time(now if timestamp is None else timestamp),
        "event_id": str(make_uuid7() if event_id is None else _uuid(event_id)),
    }
    if session_id is not None:
        event["session_id"] = _text("session_id", session_id, MAX_ID_LENGTH)
    line = _with_properties(event, properties)
    if len(line) > MAX_EVENT_BYTES:
        raise ValueError(f"properties: the event has {len(line)} bytes; {MAX_EVENT_BYTES} are allowed")
    return event["event_id"], line


def make_uuid7() -> UUID:
    """A UUIDv7 (RFC 9562): the time in milliseconds, then random bits."""
    bits = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    bits &= ~(0xF << 76 | 0x3 << 62)
    return UUID(int=bits | 7 << 76 | 2 << 62)


def _text(name: str, value: object, longest: int) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}: is of type {type(value).__name__}, not str")
    if not 1 <= len(value) <= longest:
        raise ValueError(f"{name}: has {len(value)} characters; 1 to {longest} are allowed")
    if "\0" in value or not _is_unicode(value):
        raise ValueError(f"{name}: has the character U+0000 or half a surrogate pair")
    return value


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _time(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"timestamp: is of type {type(value).__name__}, not datetime")
    if value.utcoffset() is None:
        raise ValueError("timestamp: has no time zone; datetime.now(UTC) has one")
    return value.astimezone(UTC).isoformat()


def _uuid(value: object) -> UUID:
    if isinstance(value, UUID):
        return value
    if not isinstance(value, str):
        raise TypeError(f"event_id: is of type {type(value).__name__}, not UUID or str")
    try:
        return UUID(value)
    except ValueError:
        raise ValueError("event_id: isn't a UUID") from None


def _with_properties(event: dict[str, Any], properties: Mapping[str, Any] | None) -> bytes:
    if properties is not None:
        if not isinstance(properties, Mapping):
            raise TypeError(f"properties: is of type {type(properties).__name__}, not a mapping")
        event["properties"] = dict(properties)
    try:
        return _encode(event)
    except (TypeError, ValueError, RecursionError):
        _require_json(properties, "properties", 0)
        raise


def _encode(event: dict[str, Any]) -> bytes:
    text = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which the collector replaces; only an escape can carry it
        return json.dumps(event, allow_nan=False, separators=(",", ":")).encode()


MAX_LEVELS = 32


def _require_json(value: object, where: str, level: int) -> None:
    """Find what can't be JSON, to name it.

    Raises:
        TypeError, ValueError: with the path to it.
    """
    if level > MAX_LEVELS:
        raise ValueError(f"{where}: is nested beyond {MAX_LEVELS} levels")
    if isinstance(value, Mapping):
        for name, part in value.items():
            if not isinstance(name, str):
                raise TypeError(f"{where}: has a name of type {type(name).__name__}, not str")
            _require_json(part, f"{where}.{name}", level + 1)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            _require_json(part, f"{where}[{index}]", level + 1)
    elif value is not None and not isinstance(value, str | int | float):
        raise TypeError(f"{where}: is of type {type(value).__name__}, which JSON doesn't have")
    else:
        try:
            json.dumps(value, allow_nan=False)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
