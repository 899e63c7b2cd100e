"""Records that can't be read, and events that the database refuses, as refused events: to be looked at, and replayed."""

import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from confluent_kafka import Message

from event_tracker.core.json_numbers import read_float
from event_tracker.core.kafka.record_time import read_time
from event_tracker.model.storing.keep_rejections import NewRejection, storable_text
from event_tracker.model.storing.row import Row

UNREADABLE = "unreadable_record"
NOT_STORABLE = "not_storable"
IN_FUTURE = "timestamp_in_future"

DEFAULT_SOURCE = "default"
SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
MAX_DETAIL = 1000
MAX_USER_ID = 200
MAX_EVENT_TYPE = 100


class _Named(msgspec.Struct):
    """The fields that are read from what can't be read as a whole."""

    user_id: Any = None
    event_type: Any = None
    source: Any = None


class _Event(msgspec.Struct, omit_defaults=True):
    """An event as it is sent to POST /events, so that it can be replayed."""

    user_id: str
    event_type: str
    timestamp: datetime
    event_id: UUID
    properties: msgspec.Raw
    session_id: str | None = None


_decode = msgspec.json.Decoder(_Named, float_hook=read_float).decode
_encode = msgspec.json.Encoder().encode


def reject_record(record: Message, why: str, max_bytes: int) -> NewRejection:
    """The refused event of a record that can't be read.

    Args:
        why: a sentence.
        max_bytes: of its value that are kept.
    """
    value = record.value() or b""
    named = _read_named(value)
    source = named.source if isinstance(named.source, str) and SOURCE.fullmatch(named.source) else DEFAULT_SOURCE
    user_id = storable_text(named.user_id, MAX_USER_ID) or storable_text(_read_key(record), MAX_USER_ID)
    event_type = storable_text(named.event_type, MAX_EVENT_TYPE)
    return _make(record, UNREADABLE, why, source, event_type, user_id, value, max_bytes)


def reject_row(record: Message, row: Row, code: str, why: str, max_bytes: int) -> NewRejection:
    """The refused event of a record whose event can't be stored."""
    event = _Event(
        row.user_id,
        row.event_type,
        row.timestamp,
        UUID(bytes=row.event_id),
        msgspec.Raw(row.properties),
        row.session_id,
    )
    names = storable_text(row.event_type, MAX_EVENT_TYPE), storable_text(row.user_id, MAX_USER_ID)
    source = row.source if SOURCE.fullmatch(row.source) else DEFAULT_SOURCE
    return _make(record, code, why, source, *names, _encode(event), max_bytes)


def make_id(record: Message) -> UUID:
    """The id of a record's refused event: a UUIDv7 of the record's time and place, so that a record that is read twice is kept once."""
    place = f"{record.topic()}/{record.partition()}/{record.offset()}".encode()
    milliseconds = max(0, record.timestamp()[1]) & (2**48 - 1)
    bits = int.from_bytes(sha256(place).digest()[:10], "big")
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (bits >> 68 & 0xFFF) << 64 | 0b10 << 62 | bits & (2**62 - 1))


def _make(
    record: Message,
    code: str,
    why: str,
    source: str,
    event_type: str | None,
    user_id: str | None,
    payload: bytes,
    max_bytes: int,
) -> NewRejection:
    detail = f"{why} Topic {record.topic()}, partition {record.partition()}, offset {record.offset()}."
    errors = [{"pointer": "", "code": code, "detail": detail.replace("\0", "\ufffd")[:MAX_DETAIL]}]
    kept, is_whole = payload[:max_bytes], len(payload) <= max_bytes
    received_at = read_time(record) or datetime.now(UTC)
    return NewRejection(make_id(record), source, received_at, code, errors, event_type, user_id, kept, is_whole)


def _read_named(value: bytes) -> _Named:
    try:
        return _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        return _Named()


def _read_key(record: Message) -> str | None:
    """The record's key, which our collectors make of the user's id."""
    try:
        return (record.key() or b"").decode()
    except (UnicodeDecodeError, AttributeError):
        return None
