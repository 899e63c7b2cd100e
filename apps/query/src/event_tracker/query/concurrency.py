"""Questions that may be slow: few at once, and asked once for all who ask the same."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Generic, TypeVar, cast

import gevent
from gevent.event import AsyncResult

from event_tracker.core.concurrency_limit import MOST_WAITING, ConcurrencyLimit, NoTurnError, TooManyWaitError
from event_tracker.core.http.errors import RETRY_AFTER_SECONDS, Problem
from event_tracker.query.auth.principal import Principal, Root, root_of

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")

TURN_SECONDS = 5.0
"""How long a question waits for its turn."""

PATIENCE_SECONDS = 60.0
"""The same in the middle of an export."""

BUSY = "Too many slow questions are waiting. Nothing is wrong with this one: ask it again."

TOO_MANY = (
    f"{MOST_WAITING} of your questions are waiting for their turn, as many as one client may have with the tokens that they handed "
    "out. Ask again when some have been answered."
)


@contextmanager
def take_turn(turns: ConcurrencyLimit, client: Root, seconds: float = TURN_SECONDS) -> Iterator[None]:
    """Wait for a turn for so many seconds at most, and have it for the block.

    Raises:
        Problem: 503 if none comes, 429 if as many of the client's wait as may.
    """
    with ExitStack() as turn:
        try:
            turn.enter_context(turns.take(client, seconds))
        except TooManyWaitError:
            raise _too_many_open(TOO_MANY) from None
        except NoTurnError:
            raise Problem(503, "busy", BUSY) from None
        yield


class StreamSlots:
    """Lets `most` clients be served at once, however long each takes; nobody waits for a place.

    A token or a person has half of them at most, with the tokens that share theirs (`root_of`): nobody keeps all others out.
    """

    def __init__(self, most: int, refusal: str) -> None:
        self._most, self._refusal = most, refusal
        self._each = (most + 1) // 2
        self._taken: Counter[Root] = Counter()

    def take(self, principal: Principal) -> Callable[[], None]:
        """Take a place; what is returned gives it back, once however often it is called.

        Raises:
            Problem: 503 with the refusal if there is none, 429 if the principal has as many as it may.
        """
        # Not the principal: its scopes or sources may change while it has places.
        who = root_of(principal)
        if self._taken.total() >= self._most:
            raise Problem(503, "busy", self._refusal)
        if principal.kind != "anyone" and self._taken[who] >= self._each:
            raise _too_many_open(
                f"{self._each} of these are open, as many as one token or person may have with the tokens that they handed out. "
                "Ask again when one has ended."
            )
        self._taken[who] += 1
        held = True

        def give_back() -> None:
            nonlocal held
            if held:
                held = False
                self._taken[who] -= 1
                if not self._taken[who]:
                    del self._taken[who]

        return give_back


def _too_many_open(detail: str) -> Problem:
    return Problem(429, "too_many_open", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


class Asking(Generic[Answer]):
    """A question that waits for its turn, in the queue of each client that asks it.

    Attributes:
        results: by client, what those of its requests that ask it will be told.
        waiting: by client, who waits for a turn.
    """

    def __init__(self) -> None:
        self.results: dict[Root, AsyncResult[Answer]] = {}
        self.waiting: dict[Root, gevent.Greenlet[..., None]] = {}


class SingleFlight(Generic[Question, Answer]):
    """Answers everyone who asks the same before its turn has come with one statement.

    It waits once in the queue of each client that asks it, and the first turn that comes is used. So nobody waits longer because
    a client who has much else to ask has asked the same before. Who asks later waits for the next statement: what was committed
    before a question came is always in its answer.
    """

    def __init__(self, answer: Callable[[Question], Answer], turns: ConcurrencyLimit) -> None:
        self._answer = answer
        self._turns = turns
        self._coming: dict[Question, Asking[Answer]] = {}

    def ask(self, question: Question, client: Root) -> Answer:
        """Wait for the answer. Raises what answering raised, or `take_turn` for this client."""
        asking = self._coming.get(question)
        if asking is None:
            asking = self._coming[question] = Asking()
        result = asking.results.get(client)
        if result is None:
            result = asking.results[client] = AsyncResult()
            asking.waiting[client] = gevent.spawn(self._run, question, asking, client)
        return cast(Answer, result.get())

    def _run(self, question: Question, asking: Asking[Answer], client: Root) -> None:
        told = [asking.results[client]]
        try:
            with take_turn(self._turns, client):
                if client not in asking.waiting:  # another turn came at the same moment
                    return
                told = self._begin(question, asking, client)
                answer = self._answer(question)
        except Exception as error:  # whatever it is, everyone who waits must hear of it
            self._leave(question, asking, client)
            for result in told:
                result.set_exception(error)
        else:
            for result in told:
                result.set(answer)

    def _begin(self, question: Question, asking: Asking[Answer], client: Root) -> list["AsyncResult[Answer]"]:
        """Let nobody join any more, and nobody wait for another turn; all who are to be told."""
        del self._coming[question]
        del asking.waiting[client]
        gevent.killall(list(asking.waiting.values()), block=False)
        asking.waiting.clear()
        return list(asking.results.values())

    def _leave(self, question: Question, asking: Asking[Answer], client: Root) -> None:
        """The client's turn didn't come, unless this has begun; others' may."""
        if asking.waiting.pop(client, None) is None:
            return
        del asking.results[client]
        if not asking.results:
            del self._coming[question]
