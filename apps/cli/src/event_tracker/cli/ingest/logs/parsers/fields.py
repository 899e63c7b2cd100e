"""What the fields of logs have in common: absent values, numbers, escapes, times, addresses, and the request line."""

import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache, wraps
from typing import Any, NamedTuple, TypeVar

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

MOST_CACHED, LONGEST_CACHED = 20_000, 500
"""Addresses, times and user agents repeat. So many results are kept, some megabytes, of texts of up to so many characters."""

CLF_TIME = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)", re.ASCII)
METHOD = re.compile(r"[A-Z][A-Z0-9_-]*")
ESCAPE = re.compile(rb'\\(x[0-9A-Fa-f]{2}|u00[0-9A-Fa-f]{2}|["\\ntr])')
ESCAPED = {b'"': b'"', b"\\": b"\\", b"n": b"\n", b"t": b"\t", b"r": b"\r"}


T = TypeVar("T")


def cache_short(function: Callable[[str], T]) -> Callable[[str], T]:
    """Decorator: keep the results for short texts. A log may have long ones, all different, and memory is limited."""
    cached = lru_cache(MOST_CACHED)(function)

    @wraps(function)
    def call(text: str) -> T:
        return cached(text) if len(text) <= LONGEST_CACHED else function(text)

    return call


class LineError(ValueError):
    """A line isn't one of the format. The message says why: a clause without a subject, such as "Isn't JSON."."""


class RequestLine(NamedTuple):
    """The first line of an HTTP request, split; or only `malformed`, if it isn't one."""

    method: str | None = None
    path: str | None = None
    query: str | None = None
    host: str | None = None
    malformed: str | None = None


def present(text: Any) -> str | None:
    """The value as text; None if it is absent: `-`, empty, or no text and no number."""
    if isinstance(text, str):
        return text if text not in ("-", "") else None
    return str(text) if isinstance(text, int | float) and not isinstance(text, bool) else None


def whole(value: Any) -> int | None:
    """The value as a whole number, from 0; None if it isn't one."""
    text = present(value)
    return int(text) if text is not None and len(text) <= 18 and text.isascii() and text.isdigit() else None


def decimal(value: Any) -> float | None:
    """The value as a number of seconds or the like, from 0; None if it isn't one."""
    try:
        number = float(present(value) or "nan")
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


def parse_time(text: str) -> datetime:
    """Read a time in the form of RFC 3339. Python has no leap seconds: one becomes the second before it.

    Raises:
        LineError: if it isn't a time with an offset.
    """
    is_leap = text[16:19] == ":60"
    try:
        time = datetime.fromisoformat(f"{text[:16]}:59{text[19:]}" if is_leap else text)
        # A time of the year 1 or 9999 with an offset may have no equal in UTC.
        is_valid = time.tzinfo is not None and bool(time.astimezone(UTC)) and (not is_leap or _is_end_of_month(time))
    except (ValueError, OverflowError):
        is_valid = False
    if not is_valid:
        raise LineError(f"Has no valid time: {text[:40]!r}.")
    return time


def _is_end_of_month(time: datetime) -> bool:
    """Whether the second behind it begins a month, in UTC. Leap seconds are only there."""
    following = time.astimezone(UTC) + timedelta(seconds=1)
    return (following.day, following.hour, following.minute) == (1, 0, 0)


@cache_short
def parse_clf_time(text: str) -> datetime:
    """Read `17/May/2015:10:05:03 +0200`. strptime would be slow, and expect names of months in the machine's language.

    Raises:
        LineError: if it isn't a time.
    """
    found = CLF_TIME.fullmatch(text)
    if found is None or found[2] not in MONTHS:
        raise LineError(f"Has no valid time: {text[:40]!r}.")
    day, month, year, clock, hours, minutes = found.groups()
    return parse_time(f"{year}-{MONTHS.index(month) + 1:02}-{day}T{clock}{hours}:{minutes}")


@cache_short
def parse_epoch(text: str) -> datetime:
    """Read seconds since 1970.

    Raises:
        LineError: if it isn't a number, or no time.
    """
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        raise LineError(f"Has no valid time: {text[:40]!r}.") from None


@cache_short
def without_port(text: str) -> str:
    """An address or a host without its port and brackets. IPv6 is written short, so that one address is one text."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    if ":" not in text:
        return text
    text = text.partition("%")[0]  # the interface, of a link-local address
    try:
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text))
    except (OSError, ValueError):
        return text


def parse_host(text: Any) -> str | None:
    """A site's name in lower case, without a port."""
    host = present(text)
    return (without_port(host.strip().lower()).rstrip(".") or None) if host else None


@cache_short
def is_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def client_address(connection: str | None, forwarded: str | None, trusted_hops: int) -> str | None:
    """The client's address.

    Args:
        connection: the address that the server was connected from, perhaps with a port.
        forwarded: the addresses that proxies added (X-Forwarded-For), separated by commas. Clients can put anything in front.
        trusted_hops: how many of all these addresses, counted from the right, are of trusted proxies.
    """
    if not forwarded or (trusted_hops == 0 and connection):
        return without_port(connection) if connection else None
    addresses = [without_port(text.strip()) for text in forwarded.split(",")]
    if connection:
        addresses.append(without_port(connection))
    claimed = max(len(addresses) - 1 - trusted_hops, 0)
    # A proxy may write "unknown". Then the nearest address that is known is better than none.
    return next(filter(is_address, addresses[claimed:]), addresses[-1] or None)


def split_request_line(line: str) -> RequestLine:
    """Split `GET /a?b=c HTTP/1.1`. The path may have spaces: servers log it as it was sent."""
    method, _, target = line.partition(" ")
    before, _, version = target.rpartition(" ")
    if version.startswith("HTTP/"):
        target = before
    if not METHOD.fullmatch(method) or not target:
        return RequestLine(malformed=line)
    return split_target(method, target) or RequestLine(malformed=line)


def split_target(method: str, target: str) -> RequestLine | None:
    """Split a request's target: a path with a query, a URL (sent to proxies), `*` or an authority. None if it is none of these."""
    host = None
    if target[0] != "/":
        scheme, separator, rest = target.partition("://")
        if not separator or not scheme.isalpha():
            return RequestLine(method) if target == "*" or method == "CONNECT" else None
        end = min(position for position in (rest.find("/"), rest.find("?"), len(rest)) if position >= 0)
        host, target = parse_host(rest[:end].rpartition("@")[2]), rest[end:]
        target = target if target.startswith("/") else "/" + target
    path, _, query = target.partition("?")
    return RequestLine(method, path, query or None, host)
