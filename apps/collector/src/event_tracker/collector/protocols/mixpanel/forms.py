"""Forms, as Mixpanel's clients post them: events as JSON in the field `data`, in Base64 from some."""

import base64
from urllib.parse import unquote_to_bytes

from event_tracker.collector.parsing.batch import WHITESPACE, not_json
from event_tracker.core.http.errors import body_too_large

MAX_FORM_BYTES = 2 * 1024 * 1024
"""Most bytes of a form. Mixpanel's clients send 50 events at most in one. A form is read before its key is checked."""

MAX_FIELDS = 20

CHUNK_BYTES = 65_536
"""How much is decoded at a time: the standard library makes an object of each `%7B`."""

DATA = b"data"


def is_json(body: bytes) -> bool:
    """Whether a body is JSON, and no form."""
    return body.lstrip(WHITESPACE)[:1] in (b"[", b"{")


def read_data(body: bytes) -> bytes:
    """The JSON in the field `data`.

    Raises:
        Problem: 413 if the form is too large; 400 if it has no such field, or that isn't Base64.
    """
    if len(body) > MAX_FORM_BYTES:
        raise body_too_large(MAX_FORM_BYTES)
    for field in body.split(b"&", MAX_FIELDS)[:MAX_FIELDS]:
        name, _, value = field.partition(b"=")
        if name == DATA:
            return _read_value(value)
    raise not_json("it is neither an array, nor a form with a field `data`")


def _read_value(value: bytes) -> bytes:
    sent = _unquote(value.replace(b"+", b" "))
    if is_json(sent):
        return sent
    # Mixpanel's client for Node.js doesn't quote it, so its `+` is a space by now.
    sent = sent.strip().replace(b" ", b"+")
    try:
        return base64.b64decode(sent + b"=" * (-len(sent) % 4), validate=True)
    except ValueError as error:
        raise not_json(f"`data` is neither JSON nor Base64: {error}") from None


def _unquote(value: bytes) -> bytes:
    parts: list[bytes] = []
    start = 0
    while start < len(value):
        end = start + CHUNK_BYTES
        if end < len(value):
            quoted = value.rfind(b"%", end - 2, end)
            end = quoted if quoted >= 0 else end
        parts.append(unquote_to_bytes(value[start:end]))
        start = end
    return b"".join(parts)
