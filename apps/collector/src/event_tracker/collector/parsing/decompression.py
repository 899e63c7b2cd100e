"""Decompresses gzip bodies."""

import zlib

from event_tracker.core.http.errors import Problem, body_too_large
from event_tracker.core.http.memory_budget import Reservation
from event_tracker.core.server.cooperation import TimeSlice

GZIP = 16 + zlib.MAX_WBITS
"""zlib's `wbits` for data with a gzip header and trailer."""

MAX_MEMBERS = 16
"""Members of a gzip body. Programs write one; concatenated files have more. Each costs some microseconds."""

PIECE_BYTES = 64 * 1024
"""Bytes that are read, or decompressed, at once."""


def gunzip(raw: bytes, max_bytes: int, reservation: Reservation) -> bytes:
    """Decompress at most `max_bytes` and one piece more: a small body can hold gigabytes. Lets other requests run meanwhile.

    Raises:
        Problem: 400 if it isn't gzip, 413 if it is too large, and what `Reservation.grow` raises.
    """
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
                raise body_too_large(max_bytes)
            reservation.grow(size)
            pieces.append(piece)
            time_slice.yield_when_over()
        position = min(position, len(raw)) - len(member.unused_data)
        position = len(raw) - len(raw[position:].lstrip(b"\0"))  # zeros between members and at the end mean nothing
    return b"".join(pieces)


def _not_gzip(why: str) -> Problem:
    return Problem(400, "invalid_gzip", f"Content-Encoding says gzip, but: {why}.")
