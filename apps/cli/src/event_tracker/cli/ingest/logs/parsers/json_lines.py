"""Reads lines of JSON that a server wrote as its log."""

import re
from typing import Any

import msgspec

from event_tracker.cli.ingest.logs.parsers.fields import LineError

_read = msgspec.json.Decoder(dict[str, Any]).decode

HEX_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|.)", re.DOTALL)


def read_object(line: bytes) -> dict[str, Any]:
    r"""Read a JSON object. nginx's usual escapes (`\xHH`, where `escape=json` was forgotten) are read too.

    Raises:
        LineError: if it isn't one.
    """
    try:
        return _read(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if not line.startswith(b"{") or b"\\x" not in line:
            raise LineError("Isn't a JSON object.") from None
    try:
        return _read(HEX_ESCAPE.sub(_json_escape, line).decode(errors="replace").encode())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise LineError("Isn't a JSON object.") from None


def _json_escape(escape: "re.Match[bytes]") -> bytes:
    if escape[1] is None:
        return escape[0]
    byte = int(escape[1], 16)
    return bytes([byte]) if byte >= 0x80 else b"\\u%04x" % byte


def member(value: Any, name: str) -> Any:
    """The member of a JSON object; None if it isn't there, or this isn't an object."""
    return value.get(name) if isinstance(value, dict) else None


def header(headers: Any, name: str) -> str | None:
    """The first value of a header, as Go's servers write them: a list."""
    values = member(headers, name)
    return values[0] if isinstance(values, list) and values and isinstance(values[0], str) else None
