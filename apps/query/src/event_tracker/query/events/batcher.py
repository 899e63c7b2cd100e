"""Batches small queries: those that arrive while others run wait together, and are sent to the database in one statement.

There is no timer. A single client is answered at once, and under load the batches grow by themselves. The collector stores events
in the same way. A batch has queries of one client only, so that no client waits for large answers of another. Clients take turns.
"""

from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar, cast

import gevent
from gevent.event import AsyncResult, Event

Query = TypeVar("Query")
Result = TypeVar("Result")

MAX_IN_BATCH = 64
"""Queries in one statement. The limit bounds how long one statement takes."""


class Batcher(Generic[Query, Result]):
    """Runs queries of one kind in batches.

    Args:
        run_all: runs several queries and returns their results in the same order.
        at_once: batches that run at once. One continues while another waits for a disk.
        each: batches of one client that run at once.
    """

    def __init__(self, run_all: Callable[[Sequence[Query]], Sequence[Result]], at_once: int, each: int) -> None:
        self._run_all = run_all
        self._each = each
        self._running: Counter[Hashable] = Counter()
        # Client → its waiting queries. Clients are in the order of their turns; no queue is empty.
        self._waiting: dict[Hashable, deque[tuple[Query, AsyncResult[Result]]]] = {}
        self._arrived = Event()
        self._greenlets = [gevent.spawn(self._run) for _ in range(at_once)]

    def run(self, query: Query, client: Hashable) -> Result:
        """Wait for the result. Raises what `run_all` raised."""
        future: AsyncResult[Result] = AsyncResult()
        self._waiting.setdefault(client, deque()).append((query, future))
        self._arrived.set()
        return cast(Result, future.get())

    def close(self) -> None:
        """Stop. Call it when no query waits any more."""
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
        batch = [waiting.popleft() for _ in range(min(MAX_IN_BATCH, len(waiting)))]
        if waiting:
            self._waiting[client] = waiting  # behind the others
        return batch

    def _run_batch(self, batch: list[tuple[Query, "AsyncResult[Result]"]]) -> None:
        try:
            results = self._run_all([query for query, _ in batch])
            for (_, future), result in zip(batch, results, strict=True):
                future.set(result)
        except Exception as error:  # whatever it is, everyone who waits must receive it, and the greenlet must continue
            for _, future in batch:
                future.set_exception(error)
