"""Turns at something of which few go on at once: clients go one after the other, however much each of them wants."""

from collections import Counter, deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from gevent.event import Event

MOST_WAITING = 100
"""Of one client."""


class NoTurnError(Exception):
    """There was no turn in time."""


class TooManyWaitError(NoTurnError):
    """Too many of the same client wait already."""


class ConcurrencyLimit:
    """Who has a turn, and who waits: a queue for each client, each of which is let in once in a round.

    Args:
        most: turns at once.
        each: of them, those of one client. Half of them (rounded up) leaves some for who comes next, however long a turn
            takes; None is that.
    """

    def __init__(self, most: int = 1, each: int | None = None) -> None:
        self._most = most
        self._each = (most + 1) // 2 if each is None else each
        self._taken: Counter[Hashable] = Counter()
        # In the order in which clients are let in; none is empty. Where a turn is free, those who wait have as many as they may.
        self._waiting: dict[Hashable, deque[Event]] = {}

    @contextmanager
    def take(self, client: Hashable, seconds: float) -> Iterator[None]:
        """Wait for a turn for so many seconds at most, and have it for the block.

        Raises:
            NoTurnError: if there is none.
        """
        self._wait(client, seconds)
        try:
            yield
        finally:
            self._give_back(client)

    def _wait(self, client: Hashable, seconds: float) -> None:
        if self._may_have(client):
            self._taken[client] += 1
            return
        if len(self._waiting.get(client, ())) >= MOST_WAITING:
            raise TooManyWaitError
        turn = Event()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            turn.wait(seconds)
        except BaseException:  # whoever waits was stopped
            self._leave(client, turn)
            raise
        if not turn.is_set():
            self._leave(client, turn)
            raise NoTurnError

    def _may_have(self, client: Hashable) -> bool:
        return self._taken.total() < self._most and self._taken[client] < self._each

    def _leave(self, client: Hashable, turn: Event) -> None:
        if turn.is_set():
            self._give_back(client)
            return
        self._waiting[client].remove(turn)
        if not self._waiting[client]:
            del self._waiting[client]

    def _give_back(self, client: Hashable) -> None:
        """To who waits: if the turn were free in between, whoever comes could take it before them."""
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]
        following = next(filter(self._may_have, self._waiting), None)
        if following is None:
            return
        self._taken[following] += 1
        waiting = self._waiting.pop(following)
        waiting.popleft().set()
        if waiting:
            self._waiting[following] = waiting  # behind the others
