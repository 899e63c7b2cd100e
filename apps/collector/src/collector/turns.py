"""Turns at something that does one thing at a time: sources go one after the other, however much each of them wants."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from gevent.event import Event

MOST_WAITING = 100
"""Of one source."""


class NoTurnError(Exception):
    """There was no turn in time, or too many of the same source wait already."""


class Turns:
    """Who has the turn, and who waits: a queue for each source, each of which is let in once in a round."""

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: dict[str, deque[Event]] = {}  # in the order in which the sources are let in; none is empty

    @contextmanager
    def take(self, source: str, seconds: float) -> Iterator[None]:
        """Wait for a turn for so many seconds at most, and have it for the block.

        Raises:
            NoTurnError: if there is none.
        """
        self._wait(source, seconds)
        try:
            yield
        finally:
            self._pass_on()

    def _wait(self, source: str, seconds: float) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        if len(self._waiting.get(source, ())) >= MOST_WAITING:
            raise NoTurnError
        turn = Event()
        self._waiting.setdefault(source, deque()).append(turn)
        try:
            turn.wait(seconds)
        except BaseException:  # whoever waits was stopped
            self._leave(source, turn)
            raise
        if not turn.is_set():
            self._leave(source, turn)
            raise NoTurnError

    def _leave(self, source: str, turn: Event) -> None:
        if turn.is_set():
            self._pass_on()
            return
        self._waiting[source].remove(turn)
        if not self._waiting[source]:
            del self._waiting[source]

    def _pass_on(self) -> None:
        """To who waits: if the turn were free in between, whoever comes could take it before them."""
        if not self._waiting:
            self._is_taken = False
            return
        source = next(iter(self._waiting))
        waiting = self._waiting.pop(source)
        waiting.popleft().set()
        if waiting:
            self._waiting[source] = waiting  # behind the others
