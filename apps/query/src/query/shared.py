"""Questions that may be slow: few at once, and asked once for all who ask the same."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar, cast

import gevent
from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore

from core.problems import RETRY_AFTER_SECONDS, Problem
from query.access.principal import Principal, Root, root_of

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")

TURN_SECONDS = 5.0
"""How long a question waits for its turn."""


class Turns:
    """Lets `most` questions go to the database at once, so that quick ones find a connection beside them."""

    def __init__(self, most: int) -> None:
        self._free = BoundedSemaphore(most)

    @contextmanager
    def take(self, seconds: float = TURN_SECONDS) -> Iterator[None]:
        """Wait for a turn and keep it.

        Raises:
            Problem: 503 if none comes within so many seconds.
        """
        if not self._free.acquire(timeout=seconds):
            raise Problem(
                503, "busy", "Too many slow questions are waiting. Nothing is wrong with this one: ask it again."
            )
        try:
            yield
        finally:
            self._free.release()


class Places:
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
            detail = (
                f"{self._each} of these are open, as many as one token or person may have with the tokens that they handed out. "
                "Ask again when one has ended."
            )
            raise Problem(429, "too_many_open", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
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


class Shared(Generic[Question, Answer]):
    """Answers everyone who asks the same before its turn has come with one statement.

    Who asks later waits for the next: what was committed before a question came is always in its answer.
    """

    def __init__(self, answer: Callable[[Question], Answer], turns: Turns) -> None:
        self._answer = answer
        self._turns = turns
        self._coming: dict[Question, AsyncResult[Answer]] = {}

    def ask(self, question: Question) -> Answer:
        """Wait for the answer. Raises what answering raised."""
        coming = self._coming.get(question)
        if coming is None:
            coming = self._coming[question] = AsyncResult()
            gevent.spawn(self._run, question, coming)
        return cast(Answer, coming.get())

    def _run(self, question: Question, coming: "AsyncResult[Answer]") -> None:
        begun = False
        try:
            with self._turns.take():
                begun = True
                del self._coming[question]
                coming.set(self._answer(question))
        except Exception as error:  # whatever it is, everyone who waits must hear of it
            if not begun:
                del self._coming[question]
            coming.set_exception(error)
