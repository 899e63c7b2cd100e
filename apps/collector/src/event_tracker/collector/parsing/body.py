"""Reads a request's body: its media type, its encoding, its events as JSON, which aren't decoded here."""

import zlib
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from werkzeug.http import parse_options_header

from event_tracker.collector.parsing.batch_elements import WHITESPACE, NotAnArrayError, split_array, split_lines
from event_tracker.core.http.body_limit import Reservation, read_body, too_large
from event_tracker.core.http.errors import Problem
from event_tracker.core.server.cooperation import TimeSlice
from event_tracker.model.event import EventError

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


Raw = bytes | msgspec.Raw

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_read_list = msgspec.json.Decoder(list[msgspec.Raw]).decode

MOST_COMMAS = 100_000
"""An array with more commas is split by `split_array`, which holds only one element more than a request may have."""


class Batch(NamedTuple):
    """The events of a request, not decoded yet.

    Attributes:
        events: as JSON, not checked yet.
        is_batch: False if the body is one event, not an array or NDJSON.
        is_array: whether the body is valid JSON only if each event is.
        may_hold_nul: whether a text may contain U+0000, which JSON can write only as an escape.
    """

    events: Sequence[Raw]
    is_batch: bool = True
    is_array: bool = False
    may_hold_nul: bool = False


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


def split_body(body: bytes, most: int, *, ndjson: bool = False) -> Batch:
    """Split a body into its events.

    An array with a NaN, a lone surrogate or the like is split, too: the events that contain them are refused or repaired, and
    the others stored.

    Raises:
        Problem: 400 if it starts like an array and isn't one, 413 if there are more than `most` events.
    """
    may_hold_nul = b"\\u0000" in body
    if ndjson:
        return Batch(_checked(split_lines(body, most), most), may_hold_nul=may_hold_nul)
    if body.lstrip(WHITESPACE)[:1] != b"[":
        return Batch([body], False, False, may_hold_nul)  # by position: single events are most requests
    if body.count(b",") <= MOST_COMMAS:
        try:
            read = _read_list(body)
        except UNREADABLE:
            pass
        else:
            return Batch(_checked(read, most), may_hold_nul=may_hold_nul)
    try:
        body.decode()
        elements = split_array(body, most)
    except (UnicodeDecodeError, NotAnArrayError) as error:
        raise not_json(str(error)) from None
    return Batch(_checked(elements, most), is_array=True, may_hold_nul=may_hold_nul)


def not_json(reason: str) -> Problem:
    """The problem for a body that isn't JSON."""
    return Problem(400, "invalid_json", f"The body isn't JSON: {reason}.")


def require_readable(batch: Batch, errors: Sequence[EventError]) -> None:
    """Return if errors of events aren't errors of the whole body.

    Raises:
        Problem: 400 if the body isn't JSON, 413 if it is one event that is too large.
    """
    for error in errors if batch.is_array or not batch.is_batch else ():
        if error.code == "invalid_json":
            place = f"at {error.pointer}: " if batch.is_array else ""
            raise not_json(place + error.detail.removesuffix("."))
        if error.code == "event_too_large" and not batch.is_batch:
            raise Problem(413, "event_too_large", error.detail)


def _checked(events: Sequence[Raw], most: int) -> Sequence[Raw]:
    if len(events) > most:
        raise Problem(413, "too_many_events", f"A request may hold {most} events; this one holds more.")
    return events
