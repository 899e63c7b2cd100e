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

Query = TypeVar("Query")
Result = TypeVar("Result")

MOST_IN_BATCH = 64
"""Questions in one statement: nobody waits longer for his answer because many others ask."""


class Batcher(Generic[Query, Result]):
    """Asks questions of one kind.

    Args:
        answer_all: answers several questions, in their order.
        lanes: groups under way at once; the second goes on when the first waits for a disk.
        each: of them, those of one client.
    """

    def __init__(self, run_all: Callable[[Sequence[Query]], Sequence[Result]], lanes: int, each: int) -> None:
        self._run_all = run_all
        self._each = each
        self._running: Counter[Hashable] = Counter()
        # By client, in the order in which these are let in; none is empty.
        self._waiting: dict[Hashable, deque[tuple[Query, AsyncResult[Result]]]] = {}
        self._arrived = Event()
        self._greenlets = [gevent.spawn(self._run) for _ in range(lanes)]

    def run(self, query: Query, client: Hashable) -> Result:
        """Wait for the answer. Raises what `answer_all` raised."""
        future: AsyncResult[Result] = AsyncResult()
        self._waiting.setdefault(client, deque()).append((query, future))
        self._arrived.set()
        return cast(Result, future.get())

    def close(self) -> None:
        """Stop. Call it when nobody waits any more."""
        gevent.killall(self._greenlets)

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            client = next((client for client in self._waiting if self._running[client] < self._each), None)
            if client is None:
                self._arrived.clear()
                continue
            self._running[client] += 1
            self._run_batch(self._take_batch(client))
            self._running[client] -= 1
            if not self._running[client]:
                del self._running[client]
            self._arrived.set()

    def _take_batch(self, client: Hashable) -> list[tuple[Query, "AsyncResult[Result]"]]:
        waiting = self._waiting.pop(client)
        batch = [waiting.popleft() for _ in range(min(MOST_IN_BATCH, len(waiting)))]
        if waiting:
            self._waiting[client] = waiting  # behind the others
        return batch

    def _run_batch(self, batch: list[tuple[Query, "AsyncResult[Result]"]]) -> None:
        try:
            results = self._run_all([query for query, _ in batch])
            for (_, future), result in zip(batch, results, strict=True):
                future.set(result)
        except Exception as error:  # whatever it is, everyone who waits must hear of it, and the greenlet must go on
            for _, future in batch:
                future.set_exception(error)
