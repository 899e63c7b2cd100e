"""A request's body off the wire, within a size, a time, and what all bodies together may take."""

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

import gevent

from core.problems import Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PIECE_BYTES = 32 * 1024
"""Of a body, read at once. Bodies of up to so many bytes are let in always: of them, a process holds one a connection."""


class Room:
    """What the larger bodies that a process holds may take together; else a few clients could make it outgrow its memory.

    Args:
        most: bytes. One body finds room in any case.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    def share(self) -> "Share":
        """The room of one body, none yet. Leaving its context gives it back."""
        return Share(self)


class Share:
    """What one body takes of the room."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.taken -= self._bytes

    def grow(self, size: int) -> None:
        """Take room for so many bytes in all.

        Raises:
            Problem: 503 if there isn't as much.
        """
        if size <= max(PIECE_BYTES, self._bytes):
            return
        others = self._room.taken - self._bytes
        if others and others + size > self._room.most:
            raise Problem(
                503, "bodies_full", "Too many large bodies are held here now. Nothing is stored: send it again."
            )
        self._room.taken = others + size
        self._bytes = size


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
