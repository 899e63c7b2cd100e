"""One pair of services for every test of a definition; each test, or example, begins with empty tables."""

import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
import requests

from core.keys import make_key

from .product import Answer, Product, Question
from .reference.events import Event

Ask = Callable[[list[Event], Question], Answer]


@pytest.fixture(scope="session")
def product(postgres, launcher, tmp_path_factory) -> Iterator[Product]:
    name = f"definitions_{uuid.uuid4().hex}"
    postgres.execute(f"create database {name} template template_events")
    with (
        launcher(tmp_path_factory.mktemp("definitions")) as start,
        psycopg.connect(postgres.url(name), autocommit=True, options="-c timezone=UTC") as owner,
        requests.Session() as session,
    ):
        collector = start("collector", wait=False, DATABASE_URL=postgres.url(name, "collector"))
        query = start("query", wait=False, DATABASE_URL=postgres.url(name, "query"))
        collector.wait_ready()
        query.wait_ready()
        yield Product(collector, query, owner, postgres.url(name), session, write_keys(owner))
    postgres.execute(f"drop database {name} with (force)")


def write_keys(owner: psycopg.Connection) -> dict[str, str]:
    """A key each for two sources; the third is that of events without a key."""
    keys = {}
    for source in ("shop", "blog"):
        made = make_key("wk")
        owner.execute("insert into sources (name) values (%s)", [source])
        owner.execute(
            "insert into write_keys (prefix, source, hash) values (%s, %s, %s)", [made.prefix, source, made.hash]
        )
        keys[source] = made.key
    return keys


@pytest.fixture
def ask(product) -> Ask:
    """ask(events, question) stores these events alone, checks the answer against the reference and returns it."""

    def ask(events: list[Event], question: Question) -> Answer:
        product.clear()
        product.store(events)
        return product.ask(question, events)

    return ask
