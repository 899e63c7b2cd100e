"""Questions that arrive while others are being answered wait together, and go to the database in one statement.

There is no timer: one client alone is answered at once, and under load the groups grow by themselves. The collector
stores events in the same way.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

import gevent
from gevent.event import AsyncResult, Event

Question = TypeVar("Question")
Answer = TypeVar("Answer")

MOST = 64
"""Questions in one statement: nobody waits longer for his answer because many others ask."""


class Group(Generic[Question, Answer]):
    """Asks questions of one kind.

    Args:
        answer_all: answers several questions, in their order.
        lanes: groups under way at once; the second goes on when the first waits for a disk.
    """

    def __init__(self, answer_all: Callable[[Sequence[Question]], Sequence[Answer]], lanes: int) -> None:
        self._answer_all = answer_all
        self._waiting: deque[tuple[Question, AsyncResult[Answer]]] = deque()
        self._arrived = Event()
        self._greenlets = [gevent.spawn(self._run) for _ in range(lanes)]

    def ask(self, question: Question) -> Answer:
        """Wait for the answer. Raises what `answer_all` raised."""
        result: AsyncResult[Answer] = AsyncResult()
        self._waiting.append((question, result))
        self._arrived.set()
        return cast(Answer, result.get())

    def close(self) -> None:
        """Stop. Call it when nobody waits any more."""
        gevent.killall(self._greenlets)

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            group = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            if group:
                self._answer(group)
            else:
                self._arrived.clear()

    def _answer(self, group: list[tuple[Question, "AsyncResult[Answer]"]]) -> None:
        try:
            answers = self._answer_all([question for question, _ in group])
            for (_, result), answer in zip(group, answers, strict=True):
                result.set(answer)
        except Exception as error:  # whatever it is, everyone who waits must hear of it, and the greenlet must go on
            for _, result in group:
                result.set_exception(error)
