"""What the fields of logs have in common: absent values, numbers, escapes."""

import re
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

MAX_CACHED, LONGEST_CACHED = 20_000, 500
"""Addresses, times and user agents repeat. So many results are kept, some megabytes, of texts of up to so many characters."""

ESCAPE = re.compile(rb'\\(x[0-9A-Fa-f]{2}|u00[0-9A-Fa-f]{2}|["\\ntr])')
ESCAPED = {b'"': b'"', b"\\": b"\\", b"n": b"\n", b"t": b"\t", b"r": b"\r"}


T = TypeVar("T")


def cache_short(function: Callable[[str], T]) -> Callable[[str], T]:
    """Decorator: keep the results for short texts. A log may have long ones, all different, and memory is limited."""
    cached = lru_cache(MAX_CACHED)(function)

    @wraps(function)
    def call(text: str) -> T:
        return cached(text) if len(text) <= LONGEST_CACHED else function(text)

    return call


class LineError(ValueError):
    """A line isn't one of the format. The message says why: a clause without a subject, such as "Isn't JSON."."""


def text_or_none(text: Any) -> str | None:
    """The value as text; None if it is absent: `-`, empty, or no text and no number."""
    if isinstance(text, str):
        return text if text not in ("-", "") else None
    return str(text) if isinstance(text, int | float) and not isinstance(text, bool) else None


def parse_whole_number(value: Any) -> int | None:
    """The value as a whole number, from 0; None if it isn't one."""
    text = text_or_none(value)
    return int(text) if text is not None and len(text) <= 18 and text.isascii() and text.isdigit() else None


def parse_float(value: Any) -> float | None:
    """The value as a number of seconds or the like, from 0; None if it isn't one."""
    try:
        number = float(text_or_none(value) or "nan")
    except ValueError:
        return None
    return number if 0 <= number < 1e15 else None


def unescape(text: str) -> str:
    r"""Resolve the escapes of Apache and nginx: `\"`, `\\`, `\n`, `\xHH`. Bytes that aren't UTF-8, and control characters, stay escaped."""
    return ESCAPE.sub(_unescaped, text.encode()).decode(errors="backslashreplace") if "\\" in text else text


def _unescaped(escape: "re.Match[bytes]") -> bytes:
    code = escape[1]
    if code in ESCAPED:
        return ESCAPED[code]
    byte = int(code[-2:], 16)
    return escape[0] if byte < 0x20 or byte == 0x7F else bytes([byte])
