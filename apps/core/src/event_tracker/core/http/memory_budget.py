"""Bounds the memory that all requests of a process, with their answers, hold together. Small requests aren't counted."""

from collections import Counter
from collections.abc import Hashable
from wsgiref.types import WSGIEnvironment

from event_tracker.core.http.errors import RETRY_AFTER_SECONDS, Problem

UNCOUNTED_BYTES = 32 * 1024
"""A request that holds no more, with its answer, isn't counted: there is one at most per connection."""

BUDGET = "core.memory_budget"
"""environ key: the MemoryBudget of the process."""

CLIENT = "core.client"
"""environ key: for whom a request counts. Clients that aren't identified count as one."""

BODY_BYTES = "core.body_bytes"
"""environ key: the length of the body that was read."""

RESERVATION = "core.reservation"
"""environ key: the Reservation of a request, once it has one. The middleware releases it when the answer has been sent."""

FULL_DETAIL = (
    "This instance holds as much as it may for requests, and for answers that clients have yet to read. Nothing was done: send "
    "the request again."
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
    """The memory of one request, until its answer has been sent. `close` releases it.

    Attributes:
        size: bytes.
        counted: how many of them count against the budget: none while they are few.
    """

    __slots__ = ("_budget", "_client", "counted", "size")

    def __init__(self, budget: MemoryBudget, client: Hashable = None, size: int = 0) -> None:
        self._budget = budget
        self._client = client
        self.size = size
        self.counted = 0

    def grow(self, size: int) -> None:
        """Hold so many bytes in all, if these are more.

        Raises:
            Problem: 503 if the budget is used up, 429 if the client would have more than half of it.
        """
        if size <= self.size:
            return
        if size > UNCOUNTED_BYTES:
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
        if size > UNCOUNTED_BYTES:
            self._take(size - self.counted)

    def _take(self, size: int) -> None:
        if size:
            self._budget.take(size, self._client)
            self.counted += size


def reservation_of(environ: WSGIEnvironment) -> Reservation:
    """The reservation of a request that may hold more than UNCOUNTED_BYTES. It is made here, with the body that was read."""
    if RESERVATION not in environ:
        environ[RESERVATION] = Reservation(environ[BUDGET], environ.get(CLIENT), environ.get(BODY_BYTES, 0))
    reservation: Reservation = environ[RESERVATION]
    return reservation


def release(environ: WSGIEnvironment) -> None:
    """Release what a request has reserved."""
    if RESERVATION in environ:
        environ[RESERVATION].close()
