"""A record as the fields that a file has of it. Nothing of a record is lost: what is no text is kept as bytes, in fields of their own."""

from base64 import b64encode
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Message

from event_tracker.core.kafka.record_time import read_time
from event_tracker.model.storing.record import read_headers


class Line(NamedTuple):
    """A record in a file.

    Attributes:
        timestamp: when it was written, by its producer or the broker, in RFC 3339; None if it has no time.
        key: a text; None if it has none, or one that is no text.
        raw_key: a key that is no text.
        headers: JSON: an array of pairs of a name and a text, null, or {"base64": …}.
        value: JSON in one line; None if there is none (a tombstone), or one that is no JSON.
        raw_value: a value that is no JSON, or that is JSON's null.
    """

    partition: int
    offset: int
    timestamp: str | None
    key: str | None
    raw_key: bytes | None
    headers: str
    value: str | None
    raw_value: bytes | None


def make_line(record: Message) -> Line:
    """The line of a record."""
    key = _as_bytes(record.key())
    text = _read_text(key)
    value = record.value()
    json = _read_json(value)
    return Line(
        record.partition() or 0,
        record.offset() or 0,
        _format_time(read_time(record)),
        text,
        key if text is None else None,
        msgspec.json.encode([_make_header(name, _as_bytes(given)) for name, given in read_headers(record)]).decode(),
        json,
        value if json is None else None,
    )


LINE_OVERHEAD_BYTES = 200
"""What a line has beside key, value and headers: names, topic, partition, offset, time."""


def measure(record: Message) -> int:
    """Bytes that a record takes, headers aside."""
    return len(record.value() or b"") + len(record.key() or b"") + LINE_OVERHEAD_BYTES


def encode_bytes(value: bytes | None) -> str | None:
    """As Base64."""
    return None if value is None else b64encode(value).decode()


def _as_bytes(value: bytes | str | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _read_text(value: bytes | None) -> str | None:
    try:
        text = None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
    return None if text and "\0" in text else text


def _read_json(value: bytes | None) -> str | None:
    """JSON without its whitespace, and otherwise as it is, digit for digit; None for null."""
    try:
        text = msgspec.json.format(value or b"", indent=-1).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if text == "null" else text


def _make_header(name: str, value: bytes | None) -> list[Any]:
    text = _read_text(value)
    return [name, {"base64": encode_bytes(value)} if value is not None and text is None else text]


def _format_time(time: datetime | None) -> str | None:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z") if time else None
