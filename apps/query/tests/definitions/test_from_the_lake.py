"""Answers stay the same when `tracker maintain --archive-first` has left months to the lake: the reference knows nothing of it."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from event_tracker.cli.database.maintain import maintain
from event_tracker.cli.database.partitions import Month, make_partition
from event_tracker.cli.lake.command import lake

from . import question_strategies as ask
from .product import Product
from .reference.events import Event
from .strategies import CLOCKS, EXAMPLES, GAPS, TYPES, USERS, VALUES, scoped, selections

ZONE, ANCHOR = CLOCKS[2]
"""In the second of three months."""

DAYS = 40
NUMBERS = [-0.5, 12345678901234567890, 10, 100.0]
QUESTIONS = [
    ask.timeseries, ask.users, ask.sessions, ask.top_properties, ask.event_users, ask.funnel, ask.retention, ask.paths,
    ask.of_views(ask.web), ask.of_views(ask.web_top),
]  # fmt: skip


def many(number: int) -> list[Event]:
    """As many events in clusters, the same at each run."""
    chance = random.Random(7)
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
                    for name, values in {"page": [*VALUES, *NUMBERS], "plan": ["pro", "free", None]}.items()
                    if chance.random() < 0.8
                },
                source="shop" if fresh.day % 2 else chance.choice(["default", "shop", "blog"]),
            )
        )
    return found


EVENTS = many(150)


class Archived:
    """A product whose query service reads a lake, and the commands for both."""

    def __init__(self, product: Product, lake: Path) -> None:
        self.product, self.lake = product, lake

    def export(self) -> Result:
        return self._run(lake, "export", str(self.lake))

    def archive(self, before: datetime) -> Result:
        """Delete the events before a time that the lake has."""
        keep = f"{(datetime.now(UTC) - before).days}days"
        return self._run(maintain, "--keep", keep, "--archive-first", str(self.lake))

    def _run(self, command: Any, *arguments: str) -> Result:
        result = CliRunner().invoke(command, arguments, env={"DATABASE_URL": self.product.owner_url})
        assert result.exit_code == 0, result.output
        return result


@pytest.fixture(scope="module")
def make_archived(make_product, tmp_path_factory) -> Callable[[], Archived]:
    def make() -> Archived:
        folder = tmp_path_factory.mktemp("lake")
        return Archived(make_product(LAKE=str(folder)), folder)

    return make


@pytest.fixture(scope="module")
def archived(make_archived) -> Archived:
    """The first month was dropped, the second is in part in the lake alone, of one source. The third is in PostgreSQL."""
    made = make_archived()
    product = made.product
    first = min(event.timestamp for event in EVENTS)
    for number in range(4):
        make_partition(product.owner, Month(first.year, first.month).plus(number))
    product.store(EVENTS)
    made.export()
    before = ANCHOR.replace(day=1)
    keep = (datetime.now(UTC) - ANCHOR).days
    product.owner.execute("update sources set keep = %s where name = 'shop'", [keep])
    said = made.archive(before)
    assert "freed" in said.output
    stored = product.owner.execute("select source, min(timestamp) from events group by 1").fetchall()
    assert {source for source, _ in stored} == {"default", "shop", "blog"}
    assert all(time >= before for _, time in stored)
    assert product.owner.execute("select count(distinct source) from archived_days").fetchone() == (3,)
    return made


@EXAMPLES
@given(
    question=scoped(
        selections(EVENTS, ZONE, ANCHOR, DAYS).flatmap(lambda one: st.one_of(*(of(one) for of in QUESTIONS)))
    )
)
def test_every_answer_is_the_same(archived, question):
    archived.product.ask(question, EVENTS)
