"""Reads the outer parts of JSON and leaves the inner ones as they were sent, so that no number loses a digit.

msgspec reads most of it. What it refuses (NaN, half a surrogate pair) is read leniently, and a whole body is split as text:
then the parser says what is wrong, and where.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from event_tracker.collector.parsing.batch import (
    MAX_COMMAS,
    UNREADABLE,
    NotJsonError,
    not_json,
    split_array,
    split_object,
)
from event_tracker.collector.parsing.validation_errors import read_lenient

MAX_MEMBERS = 10_000
"""Most members of an object that is split as text."""

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode

NUMBER = re.compile(rb"-?[0-9][0-9.eE+-]{0,99}")

EMPTY = frozenset({b"", b"null", b'""', b"{}", b"[]"})
NO_ID = frozenset({b"", b"null", b'""'})

MAX_EMPTY = max(map(len, EMPTY))

Members = dict[str, msgspec.Raw]
"""An object's members as they were sent. They keep the whole text in memory."""


def read_members(text: bytes | msgspec.Raw) -> Members:
    """The members of an object that is as large as a message may be.

    Raises:
        NotJsonError: if it isn't one.
    """
    try:
        return _decode_object(text)
    except UNREADABLE:
        return _read_members_leniently(text)


def read_body_members(body: bytes) -> Members:
    """The members of a body that is an object.

    Raises:
        Problem: 400 if it isn't one.
    """
    try:
        if body.count(b",") <= MAX_COMMAS:
            with suppress(*UNREADABLE):
                return _decode_object(body)
        _require_utf8(body)
        return {name: msgspec.Raw(value) for name, value in split_object(body, MAX_MEMBERS).items()}
    except NotJsonError as error:
        raise not_json(str(error)) from None


def read_elements(text: bytes | msgspec.Raw, most: int) -> list[bytes | msgspec.Raw]:
    """The elements of an array; no more than `most` + 1 of them.

    Raises:
        NotJsonError: if it isn't one.
    """
    sent = bytes(text)
    if sent.count(b",") <= MAX_COMMAS:
        try:
            return list(_decode_list(text))
        except UNREADABLE:
            pass
    if not sent.startswith(b"["):
        raise NotJsonError("it isn't an array")
    return list(split_array(sent, most))


def is_empty(value: msgspec.Raw | None) -> bool:
    """Whether a value says nothing: absent, null, an empty text, object or array."""
    return value is None or (len(value) <= MAX_EMPTY and bytes(value) in EMPTY)


def read_text(value: msgspec.Raw | None) -> str | None:
    """A value if it is a text; None otherwise."""
    if value is None:
        return None
    try:
        return _decode_text(value)
    except UNREADABLE:
        return None


def read_id(value: msgspec.Raw | None) -> Any:
    """An id as we have it: a number becomes text, digit for digit; null and an empty text are none. Anything else stays, for the parser
    to say what is wrong."""
    if value is None:
        return None
    text = read_text(value)
    if text is not None:
        return text or None
    sent = bytes(value)
    if sent in NO_ID:
        return None
    return sent.decode() if NUMBER.fullmatch(sent) else value


def read_object(value: msgspec.Raw | None) -> Members | None:
    """The members of a value; None if it isn't an object."""
    if value is None:
        return None
    try:
        return _decode_object(value)
    except UNREADABLE:
        pass
    try:
        return _read_members_leniently(value) if bytes(value).startswith(b"{") else None
    except NotJsonError:
        return None


def write_event(fields: Mapping[str, Any]) -> bytes:
    """The JSON of an event; parts that were sent are in it as they were."""
    return _encode({name: value for name, value in fields.items() if value is not None})


def replace_surrogates(text: str) -> str:
    """The text with U+FFFD in the place of halves of surrogate pairs, which can't be written."""
    return text.encode(errors="surrogatepass").decode(errors="replace") if not text.isascii() else text


def _read_members_leniently(text: bytes | msgspec.Raw) -> Members:
    """The members of an object that msgspec doesn't read.

    Raises:
        NotJsonError: if it isn't one.
    """
    try:
        read = read_lenient(bytes(text).decode())
    except (ValueError, RecursionError) as error:
        raise NotJsonError(str(error)) from None
    if not isinstance(read, dict):
        raise NotJsonError("it isn't an object")
    return {replace_surrogates(name): msgspec.Raw(json.dumps(value).encode()) for name, value in read.items()}


def _require_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise NotJsonError(f"it isn't UTF-8 at byte {error.start}") from None
