"""Reads a request's body: its media type, its encoding, its bytes of JSON."""

import zlib
from codecs import BOM_UTF8
from typing import TYPE_CHECKING, NamedTuple

from werkzeug.http import parse_options_header

from event_tracker.core.http.body_limit import Reservation, read_body, too_large
from event_tracker.core.http.errors import Problem
from event_tracker.core.server.cooperation import TimeSlice

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

JSON_TYPES = frozenset({"application/json", "text/plain"})
NDJSON = "application/x-ndjson"

GZIPPED = ("gzip", "x-gzip")
"""Names of one encoding (RFC 9110 section 8.4.1.3)."""

GZIP = 16 + zlib.MAX_WBITS
"""zlib's `wbits` for data with a gzip header and trailer."""

MAX_MEMBERS = 16
"""Members of a gzip body. Programs write one; concatenated files have more. Each costs some microseconds."""

PIECE_BYTES = 64 * 1024
"""Bytes that are read, or decompressed, at once."""


def media_type(environ: "WSGIEnvironment") -> str:
    """The body's media type.

    Raises:
        Problem: 415 if it isn't one of those for events.
    """
    sent: str = environ.get("CONTENT_TYPE", "")
    if sent == "application/json":
        return sent
    name, parameters = parse_options_header(sent)
    name = name.lower()
    charset = parameters.get("charset", "").lower()
    if name not in JSON_TYPES and name != NDJSON:
        wanted = "application/json, application/x-ndjson, or text/plain holding JSON"
        raise Problem(415, "unsupported_media_type", f"Content-Type must be {wanted}; it is {name or 'missing'}.")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise Problem(415, "unsupported_charset", f"The body must be UTF-8, not {charset[:40]}.")
    return name


class Body(NamedTuple):
    """A body as it was sent."""

    raw: bytes
    is_gzipped: bool


def receive_body(environ: "WSGIEnvironment", max_bytes: int, seconds: float, reservation: Reservation) -> Body:
    """Read the body.

    Raises:
        Problem: 415 if it has an encoding other than gzip, and what `event_tracker.core.http.body_limit.read_body` raises.
    """
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in ("", "identity", *GZIPPED):
        raise Problem(415, "unsupported_encoding", f"Content-Encoding must be gzip or absent, not {encoding[:40]}.")
    return Body(read_body(environ, max_bytes, seconds, reservation), encoding in GZIPPED)


def unpack(body: Body, max_bytes: int, reservation: Reservation) -> bytes:
    """The decompressed body, without the byte order mark that some Windows clients send.

    Raises:
        Problem: 400 if it isn't gzip as declared, 413 if it is too large, and what `Reservation.grow` raises.
    """
    return (_gunzip(body.raw, max_bytes, reservation) if body.is_gzipped else body.raw).removeprefix(BOM_UTF8)


def _gunzip(raw: bytes, max_bytes: int, reservation: Reservation) -> bytes:
    """Decompress at most `max_bytes` and one piece more: a small body can hold gigabytes. Lets other requests run meanwhile."""
    pieces: list[bytes] = []
    size = position = members = 0
    time_slice = TimeSlice()
    while position < len(raw):
        members += 1
        if members > MAX_MEMBERS:
            raise Problem(400, "invalid_gzip", f"A gzip body may have {MAX_MEMBERS} members.")
        member = zlib.decompressobj(GZIP)
        while not member.eof:
            given = member.unconsumed_tail or raw[position : (position := position + PIECE_BYTES)]
            if not given:
                raise _not_gzip("it ends before its end is marked")
            try:
                piece = member.decompress(given, PIECE_BYTES)
            except zlib.error as error:
                raise _not_gzip(str(error)) from None
            size += len(piece)
            if size > max_bytes:
                raise too_large(max_bytes)
            reservation.grow(size)
            pieces.append(piece)
            time_slice.yield_when_over()
        position = min(position, len(raw)) - len(member.unused_data)
        position = len(raw) - len(raw[position:].lstrip(b"\0"))  # zeros between members and at the end mean nothing
    return b"".join(pieces)


def _not_gzip(why: str) -> Problem:
    return Problem(400, "invalid_gzip", f"Content-Encoding says gzip, but: {why}.")
