"""Limits for slow queries: few run at once, and equal queries run once for all clients that wait for them."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Generic, TypeVar, cast

import gevent
from gevent.event import AsyncResult

from event_tracker.core.concurrency_limit import MAX_WAITING, ConcurrencyLimit, NoTurnError, TooManyWaitError
from event_tracker.core.http.errors import RETRY_AFTER_SECONDS, Problem
from event_tracker.query.auth.principal import Principal, QuotaHolder, quota_holder_of

Query = TypeVar("Query", bound=Hashable)
Result = TypeVar("Result")

TURN_SECONDS = 5.0
"""How long a query waits for its turn."""

EXPORT_TURN_SECONDS = 60.0
"""How long each further page of an export waits for its turn."""

BUSY = "Too many slow questions are waiting. Nothing is wrong with this one: ask it again."

TOO_MANY = (
    f"{MAX_WAITING} of your questions are waiting for their turn, as many as one client may have with the tokens that they handed "
    "out. Ask again when some have been answered."
)


@contextmanager
def take_turn(
    concurrency_limit: ConcurrencyLimit, client: QuotaHolder, seconds: float = TURN_SECONDS
) -> Iterator[None]:
    """Wait for a turn, at most `seconds`, and hold it for the block.

    Raises:
        Problem: 503 if no turn comes in time, 429 if the client has too many queries waiting.
    """
    with ExitStack() as turn:
        try:
            turn.enter_context(concurrency_limit.take(client, seconds))
        except TooManyWaitError:
            raise _too_many_open(TOO_MANY) from None
        except NoTurnError:
            raise Problem(503, "busy", BUSY) from None
        yield


class StreamSlots:
    """Slots for streams: at most `most` run at once, however long each takes. Nobody waits for a slot.

    One quota holder (`quota_holder_of`) has at most half of the slots, so that no client can take all of them.
    """

    def __init__(self, most: int, refusal: str) -> None:
        self._most, self._refusal = most, refusal
        self._each = (most + 1) // 2
        self._in_use: Counter[QuotaHolder] = Counter()

    def acquire(self, principal: Principal) -> Callable[[], None]:
        """Take a slot. Returns the function that releases it; calling that more than once is harmless.

        Raises:
            Problem: 503 with the refusal if no slot is free, 429 if the principal has reached its own limit.
        """
        # The key isn't the principal: its scopes or sources may change while it holds slots.
        holder = quota_holder_of(principal)
        if self._in_use.total() >= self._most:
            raise Problem(503, "busy", self._refusal)
        if principal.kind != "anyone" and self._in_use[holder] >= self._each:
            raise _too_many_open(
                f"{self._each} of these are open, as many as one token or person may have with the tokens that they handed out. "
                "Ask again when one has ended."
            )
        self._in_use[holder] += 1
        is_held = True

        def release() -> None:
            nonlocal is_held
            if is_held:
                is_held = False
                self._in_use[holder] -= 1
                if not self._in_use[holder]:
                    del self._in_use[holder]

        return release


def _too_many_open(detail: str) -> Problem:
    return Problem(429, "too_many_open", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


class PendingQuery(Generic[Result]):
    """A query that waits for its turn, in the queue of each client that sent it.

    Attributes:
        results: for each client, the future result that its requests wait for.
        waiting: for each client, the greenlet that waits for a turn.
    """

    def __init__(self) -> None:
        self.results: dict[QuotaHolder, AsyncResult[Result]] = {}
        self.waiting: dict[QuotaHolder, gevent.Greenlet[..., None]] = {}


class SingleFlight(Generic[Query, Result]):
    """Runs equal queries once: one statement answers all that arrived before its turn came.

    A query waits once in the queue of each client that sent it, and the first turn that comes is used. So a client doesn't wait
    longer because a busy client sent the same query first. A query that arrives after the statement has begun waits for the next
    one: an answer always includes what was committed before the query arrived.
    """

    def __init__(self, run_query: Callable[[Query], Result], concurrency_limit: ConcurrencyLimit) -> None:
        self._run_query = run_query
        self._concurrency_limit = concurrency_limit
        self._pending: dict[Query, PendingQuery[Result]] = {}

    def run(self, query: Query, client: QuotaHolder) -> Result:
        """Wait for the result. Raises what running the query raised, or `take_turn` for this client."""
        pending = self._pending.get(query)
        if pending is None:
            pending = self._pending[query] = PendingQuery()
        result = pending.results.get(client)
        if result is None:
            result = pending.results[client] = AsyncResult()
            pending.waiting[client] = gevent.spawn(self._wait_and_run, query, pending, client)
        return cast(Result, result.get())

    def _wait_and_run(self, query: Query, pending: PendingQuery[Result], client: QuotaHolder) -> None:
        results = [pending.results[client]]
        try:
            with take_turn(self._concurrency_limit, client):
                if client not in pending.waiting:  # another turn came at the same moment
                    return
                results = self._begin(query, pending, client)
                answer = self._run_query(query)
        except Exception as error:  # whatever it is, everyone who waits must receive it
            self._give_up(query, pending, client)
            for result in results:
                result.set_exception(error)
        else:
            for result in results:
                result.set(answer)

    def _begin(self, query: Query, pending: PendingQuery[Result], client: QuotaHolder) -> list["AsyncResult[Result]"]:
        """Close the query to further clients and cancel the waits for other turns. Returns the results to set."""
        del self._pending[query]
        del pending.waiting[client]
        gevent.killall(list(pending.waiting.values()), block=False)
        pending.waiting.clear()
        return list(pending.results.values())

    def _give_up(self, query: Query, pending: PendingQuery[Result], client: QuotaHolder) -> None:
        """Drop a client whose turn didn't come. The query stays pending for others. Does nothing if the query has begun."""
        if pending.waiting.pop(client, None) is None:
            return
        del pending.results[client]
        if not pending.results:
            del self._pending[query]
