"""Reads request bodies within a size and a time, and bounds the memory that all requests and answers hold together."""

from collections import Counter
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

import gevent

from event_tracker.core.http.connections import Connections
from event_tracker.core.http.errors import RETRY_AFTER_SECONDS, Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PIECE_BYTES = 32 * 1024
"""Bytes of a body that are read at once. A request that holds no more isn't counted: there is one at most per connection."""

RESERVATION = "core.share"
"""environ key: the Reservation of a request. The middleware releases it when the answer has been sent."""

CONNECTIONS = "core.connections"
"""environ key: the worker's Connections, which may close one that waits for a turn or a body."""

FULL_DETAIL = (
    "This instance holds as much as it may for requests, and for answers that clients have yet to read. Nothing was done: send "
    "the request again."
)

GIVEN_UP_DETAIL = (
    "Nearly all connections of this instance were taken, and this one had waited for longest. Nothing was done: send the request "
    "again."
)

HALF_DETAIL = (
    "Your requests, and answers that you have yet to read, hold half of what this instance may hold, as much as one client may. "
    "Nothing was done: send the request again when some have ended."
)


class MemoryBudget:
    """The memory that all requests of a process, with their answers, may hold together. Without it few clients could exhaust it.

    One client has half of it at most, so that nobody keeps all others out.

    Args:
        most: bytes. The half doesn't bind a client's only request, and a process's only request is always allowed.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0
        self.taken_by: Counter[Hashable] = Counter()

    def reserve(self) -> "Reservation":
        """An empty reservation for one request."""
        return Reservation(self)

    def require(self, size: int, counted: int, client: Hashable) -> None:
        """Return if a request of a client may hold `size` bytes, in place of the `counted` ones.

        Raises:
            Problem: 503 if the budget is used up, 429 if the client would have more than half of it.
        """
        others = self.taken_by[client] - counted
        if others and others + size > self.most // 2:
            raise Problem(429, "too_many_open", HALF_DETAIL, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
        others = self.taken - counted
        if others and others + size > self.most:
            raise Problem(503, "bodies_full", FULL_DETAIL)

    def take(self, size: int, client: Hashable) -> None:
        """Count so many more bytes for a client; a negative number gives bytes back."""
        self.taken += size
        self.taken_by[client] += size
        if not self.taken_by[client]:
            del self.taken_by[client]


class Reservation:
    """The memory of one request, from its body's first bytes until its answer has been sent. `close` releases it.

    Attributes:
        size: bytes.
        counted: how many of them count against the budget: none while they are few.
    """

    __slots__ = ("_budget", "_client", "counted", "size")

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._client: Hashable = None
        self.size = self.counted = 0

    def belong_to(self, client: Hashable) -> None:
        """Count for this client from now on. Clients that aren't identified count as one."""
        if client != self._client:
            counted = self.counted
            self._take(-counted)
            self._client = client
            self._take(counted)

    def grow(self, size: int) -> None:
        """Hold so many bytes in all, if these are more.

        Raises:
            Problem: 503 if the budget is used up, 429 if the client would have more than half of it.
        """
        if size <= self.size:
            return
        if size > PIECE_BYTES:
            self._budget.require(size, self.counted, self._client)
        self._hold(size)

    def add(self, size: int) -> None:
        """Hold so many more bytes.

        Raises:
            Problem: as `grow` does.
        """
        self.grow(self.size + size)

    def add_unchecked(self, size: int) -> None:
        """Hold so many more bytes, even beyond the budget: the answer to work that is done already. Later requests may be refused."""
        self._hold(self.size + size)

    def close(self) -> None:
        """Release everything. It may be called twice."""
        self._take(-self.counted)
        self.size = 0

    def _hold(self, size: int) -> None:
        self.size = size
        if size > PIECE_BYTES:
            self._take(size - self.counted)

    def _take(self, size: int) -> None:
        if size:
            self._budget.take(size, self._client)
            self.counted += size


def reservation_of(environ: "WSGIEnvironment") -> Reservation:
    """The reservation of a request."""
    reservation: Reservation = environ[RESERVATION]
    return reservation


def read_body(environ: "WSGIEnvironment", max_bytes: int, seconds: float, reservation: Reservation) -> bytes:
    """Read the body, as it was sent.

    Raises:
        Problem: 400 if it breaks off or its chunked encoding is invalid, 408 if it is slow, 413 if it is large, 503 if the memory
            budget is used up, or if the connection was closed to free it for others.
    """
    length = environ.get("CONTENT_LENGTH")
    size = int(length) if length else None
    if size is not None and size > max_bytes:
        raise too_large(max_bytes)
    connections: Connections = environ[CONNECTIONS]
    connections.wait_for_body()
    slow = gevent.Timeout.start_new(seconds)
    try:
        raw = _read(environ["wsgi.input"].read, max_bytes + 1 if size is None else size, reservation)
    except gevent.Timeout as timeout:
        if timeout is not slow:
            raise
        raise Problem(408, "slow_body", f"The body did not arrive within {seconds:g} s.") from None
    except OSError:  # also the server's error for a chunk that breaks off
        raise _broken_off("The body broke off.", connections) from None
    finally:
        slow.close()
        connections.end_body()
        connections.scheduler.pause()
    if len(raw) > max_bytes:
        raise too_large(max_bytes)
    if size is not None and len(raw) < size:
        raise _broken_off(f"The body broke off: {len(raw)} of {size} bytes arrived.", connections)
    return raw


def _broken_off(detail: str, connections: Connections) -> Problem:
    if connections.was_closed_here():
        return given_up()
    return Problem(400, "incomplete_body", detail)


def given_up() -> Problem:
    """The problem for a request whose connection was closed to free it for others."""
    return Problem(503, "bodies_full", GIVEN_UP_DETAIL)


def _read(read: Callable[[int], bytes], most: int, reservation: Reservation) -> bytes:
    pieces = []
    size = 0
    while size < most and (piece := read(min(PIECE_BYTES, most - size))):
        pieces.append(piece)
        size += len(piece)
        reservation.grow(size)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def too_large(max_bytes: int) -> Problem:
    """The problem for a body that is too large."""
    return Problem(413, "body_too_large", f"A request's body may have {max_bytes} bytes, decompressed.")
