"""A limit on how much work runs at once, shared fairly by clients: those that wait are served in turn."""

from collections import Counter, deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from gevent.event import Event

MAX_WAITING = 100
"""Calls of one client that may wait at once."""


class NoTurnError(Exception):
    """No turn came up in time."""


class TooManyWaitError(NoTurnError):
    """Too many calls of this client wait already."""


class ConcurrencyLimit:
    """Gives out a bounded number of turns. Each client has a queue; the queues are served round-robin.

    Args:
        most: turns at once.
        each: turns that one client may have at once. None is half of `most`, rounded up: however long a turn takes, some
            are then left for other clients.
    """

    def __init__(self, most: int = 1, each: int | None = None) -> None:
        self._most = most
        self._each = (most + 1) // 2 if each is None else each
        self._running: Counter[Hashable] = Counter()
        # In the order in which clients are served; no queue is empty. While a turn is free, clients wait only at their own limit.
        self._waiting: dict[Hashable, deque[Event]] = {}

    @contextmanager
    def take(self, client: Hashable, seconds: float) -> Iterator[None]:
        """Wait for a turn, so many seconds at most, and hold it for the block.

        Raises:
            NoTurnError: if none came up in time.
        """
        self._acquire(client, seconds)
        try:
            yield
        finally:
            self._release(client)

    def _acquire(self, client: Hashable, seconds: float) -> None:
        if self._may_start(client):
            self._running[client] += 1
            return
        if len(self._waiting.get(client, ())) >= MAX_WAITING:
            raise TooManyWaitError
        turn = Event()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            turn.wait(seconds)
        except BaseException:  # the waiting greenlet was killed
            self._stop_waiting(client, turn)
            raise
        if not turn.is_set():
            self._stop_waiting(client, turn)
            raise NoTurnError

    def _may_start(self, client: Hashable) -> bool:
        return self._running.total() < self._most and self._running[client] < self._each

    def _stop_waiting(self, client: Hashable, turn: Event) -> None:
        if turn.is_set():
            self._release(client)
            return
        self._waiting[client].remove(turn)
        if not self._waiting[client]:
            del self._waiting[client]

    def _release(self, client: Hashable) -> None:
        """Pass the turn straight to a waiting client: if it were free in between, a newcomer could take it first."""
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]
        next_client = next(filter(self._may_start, self._waiting), None)
        if next_client is None:
            return
        self._running[next_client] += 1
        waiting = self._waiting.pop(next_client)
        waiting.popleft().set()
        if waiting:
            self._waiting[next_client] = waiting  # behind the others
