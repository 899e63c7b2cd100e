"""Questions that arrive while others are being answered wait together, and go to the database in one statement.

There is no timer: one client alone is answered at once, and under load the groups grow by themselves. The collector
stores events in the same way. A group has questions of one client, so that nobody's wait for the large answers of others;
clients take turns.
"""

from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar, cast

import gevent
from gevent.event import AsyncResult, Event

Question = TypeVar("Question")
Answer = TypeVar("Answer")

MOST = 64
"""Questions in one statement: nobody waits longer for his answer because many others ask."""


class Batcher(Generic[Question, Answer]):
    """Asks questions of one kind.

    Args:
        answer_all: answers several questions, in their order.
        lanes: groups under way at once; the second goes on when the first waits for a disk.
        each: of them, those of one client.
    """

    def __init__(self, answer_all: Callable[[Sequence[Question]], Sequence[Answer]], lanes: int, each: int) -> None:
        self._answer_all = answer_all
        self._each = each
        self._taken: Counter[Hashable] = Counter()
        # By client, in the order in which these are let in; none is empty.
        self._waiting: dict[Hashable, deque[tuple[Question, AsyncResult[Answer]]]] = {}
        self._arrived = Event()
        self._greenlets = [gevent.spawn(self._run) for _ in range(lanes)]

    def ask(self, question: Question, client: Hashable) -> Answer:
        """Wait for the answer. Raises what `answer_all` raised."""
        result: AsyncResult[Answer] = AsyncResult()
        self._waiting.setdefault(client, deque()).append((question, result))
        self._arrived.set()
        return cast(Answer, result.get())

    def close(self) -> None:
        """Stop. Call it when nobody waits any more."""
        gevent.killall(self._greenlets)

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            client = next((one for one in self._waiting if self._taken[one] < self._each), None)
            if client is None:
                self._arrived.clear()
                continue
            self._taken[client] += 1
            self._answer(self._take(client))
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]
            self._arrived.set()

    def _take(self, client: Hashable) -> list[tuple[Question, "AsyncResult[Answer]"]]:
        waiting = self._waiting.pop(client)
        group = [waiting.popleft() for _ in range(min(MOST, len(waiting)))]
        if waiting:
            self._waiting[client] = waiting  # behind the others
        return group

    def _answer(self, group: list[tuple[Question, "AsyncResult[Answer]"]]) -> None:
        try:
            answers = self._answer_all([question for question, _ in group])
            for (_, result), answer in zip(group, answers, strict=True):
                result.set(answer)
        except Exception as error:  # whatever it is, everyone who waits must hear of it, and the greenlet must go on
            for _, result in group:
                result.set_exception(error)
