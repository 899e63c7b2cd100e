"""Answers stay exact when `tracker maintain` has summarised past days, and when older events arrive after that."""

import random
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


@pytest.fixture(scope="module", params=["summarised", "late events", "summarised again"])
def history(request, product) -> str:
    """What has happened, one after the other."""
    if request.param == "summarised":
        product.clear()
        product.store(FIRST, request=7)
        product.summarise()
    elif request.param == "late events":
        product.store(LATE, request=7)
    else:
        product.summarise()
    return request.param


@EXAMPLES
@given(question=scoped(selections(FIRST + LATE, ZONE, ANCHOR, DAYS).flatmap(anything)))
def test_every_answer_stays_right(product, history, question):
    product.ask(question, FIRST if history == "summarised" else FIRST + LATE)
