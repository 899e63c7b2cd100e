"""Answers stay exact when `tracker maintain` has summarised past days, and when older events arrive after that."""

import random
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given

from .question_strategies import anything
from .reference.events import Event
from .strategies import CLOCKS, EXAMPLES, GAPS, TYPES, USERS, VALUES, scoped, selections

ZONE, ANCHOR = CLOCKS[2]
DAYS = 20


def many(number: int) -> list[Event]:
    """As many events in clusters around the anchor, the same at each run."""
    chance = random.Random(number)
    found: list[Event] = []
    for n in range(number):
        fresh = ANCHOR + timedelta(days=chance.randint(-DAYS, DAYS), minutes=chance.choice([0, 20, 60, 119]))
        found.append(
            Event(
                user_id=chance.choice(USERS),
                event_type=chance.choice(TYPES),
                timestamp=found[-1].timestamp + chance.choice(GAPS) if found and chance.random() < 0.7 else fresh,
                event_id=UUID(int=chance.getrandbits(128)),
                session_id=chance.choice([None, None, "s1", f"s{n // 4}"]),
                properties={
                    name: chance.choice(values)
                    for name, values in {"page": VALUES, "plan": ["pro", "free", None]}.items()
                    if chance.random() < 0.8
                },
                source="shop" if fresh.day % 2 else chance.choice(["default", "shop", "blog"]),
            )
        )
    return found


FIRST, LATE = many(90), many(31)


STATES = ["summarised", "late events", "summarised again"]


def missing_states(states: list[str], wanted: str, reached: list[str]) -> Iterator[str]:
    """The states to pass through, in order, to the wanted one; all of them unless the one before it was reached last.

    A worker that took over tests from another may begin with any state.
    """
    path = states[: states.index(wanted) + 1]
    if reached != path[:-1]:
        reached.clear()
    for state in path[len(reached) :]:
        yield state
        reached.append(state)


@pytest.fixture(scope="module")
def reached() -> list[str]:
    """The states that the module's databases have passed through."""
    return []


@pytest.fixture(scope="module", params=STATES)
def history(request, product, reached) -> str:
    """The state that the database is in: each follows from the one before."""
    for state in missing_states(STATES, request.param, reached):
        if state == "summarised":
            product.clear()
            product.store(FIRST, request=7)
            product.maintain()
        elif state == "late events":
            product.store(LATE, request=7)
        else:
            product.maintain()
    return request.param


@EXAMPLES
@given(question=scoped(selections(FIRST + LATE, ZONE, ANCHOR, DAYS).flatmap(anything)))
def test_every_answer_stays_right(product, history, question):
    product.ask(question, FIRST if history == "summarised" else FIRST + LATE)
