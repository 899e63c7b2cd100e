"""A request's body off the wire, within a size and a time; and what all requests and answers together may hold in memory."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import gevent

from core.problems import Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PIECE_BYTES = 32 * 1024
"""Of a body, read at once. A request that holds no more is always let in: of those, a process has one a connection."""

SHARE = "core.share"
"""environ key: the Share of a request, which `core.front` gives back when the answer has left."""

FULL = (
    "This instance holds as much as it may for requests, and for answers that clients have yet to read. Nothing was done: send "
    "the request again."
)


class Room:
    """What all requests of a process may hold together, with their answers; else a few clients could make it outgrow its memory.

    Args:
        most: bytes. One request finds room in any case.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    def share(self) -> "Share":
        """The room of one request, none yet."""
        return Share(self)


class Share:
    """What one request holds, from its body's first bytes until its answer has left. `close` gives it back.

    Attributes:
        size: bytes.
        counted: of them, those that are taken of the room: none while there are few.
    """

    __slots__ = ("_room", "counted", "size")

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = self.counted = 0

    def grow(self, size: int) -> None:
        """Hold so many bytes in all, if these are more.

        Raises:
            Problem: 503 if there isn't as much room.
        """
        if size <= self.size:
            return
        others = self._room.taken - self.counted
        if size > PIECE_BYTES and others and others + size > self._room.most:
            raise Problem(503, "bodies_full", FULL)
        self._hold(size)

    def add(self, size: int) -> None:
        """Hold so many more bytes.

        Raises:
            Problem: 503 if there isn't as much room.
        """
        self.grow(self.size + size)

    def add_in_any_case(self, size: int) -> None:
        """Hold so many more bytes, room or not: of an answer to what is done already. Whoever comes next may be refused."""
        self._hold(self.size + size)

    def close(self) -> None:
        """Hold nothing any more. It may be called twice."""
        self._room.taken -= self.counted
        self.size = self.counted = 0

    def _hold(self, size: int) -> None:
        self.size = size
        if size > PIECE_BYTES:
            self._room.taken += size - self.counted
            self.counted = size


def share_of(environ: "WSGIEnvironment") -> Share:
    """What the request holds."""
    share: Share = environ[SHARE]
    return share


def read_body(environ: "WSGIEnvironment", max_bytes: int, seconds: float, share: Share) -> bytes:
    """Read the body, as it was sent.

    Raises:
        Problem: 400 if it breaks off, 408 if it is slow, 413 if it is large, 503 if there is no room for it.
        gunicorn.http.errors.ParseException: if it isn't chunked as HTTP/1.1 wants it.
    """
    length = environ.get("CONTENT_LENGTH")
    size = int(length) if length else None
    if size is not None and size > max_bytes:
        raise too_large(max_bytes)
    slow = gevent.Timeout.start_new(seconds)
    try:
        raw = _read(environ["wsgi.input"].read, max_bytes + 1 if size is None else size, share)
    except gevent.Timeout as timeout:
        if timeout is not slow:
            raise
        raise Problem(408, "slow_body", f"The body did not arrive within {seconds:g} s.") from None
    except OSError:  # gunicorn's NoMoreData is one, too
        raise Problem(400, "incomplete_body", "The body broke off.") from None
    finally:
        slow.close()
    if len(raw) > max_bytes:
        raise too_large(max_bytes)
    if size is not None and len(raw) < size:
        raise Problem(400, "incomplete_body", f"The body broke off: {len(raw)} of {size} bytes arrived.")
    return raw


def _read(read: Callable[[int], bytes], most: int, share: Share) -> bytes:
    pieces = []
    size = 0
    while size < most and (piece := read(min(PIECE_BYTES, most - size))):
        pieces.append(piece)
        size += len(piece)
        share.grow(size)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def too_large(max_bytes: int) -> Problem:
    """What answers a body of more bytes."""
    return Problem(413, "body_too_large", f"A request's body may have {max_bytes} bytes, decompressed.")
