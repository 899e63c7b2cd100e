"""One pair of services for all tests of definitions; each test, or example, starts with empty tables."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg
import pytest
import requests
from signing_key import make_signing_key

from event_tracker.core.secrets.keys import make_key

from .product import Answer, Product, Question
from .reference.events import Event

Ask = Callable[[list[Event], Question], Answer]


@pytest.fixture(scope="session")
def make_product(postgres, launcher, tmp_path_factory) -> Iterator[Callable[..., Product]]:
    """make_product(SETTING=...): both services on a database of their own; the settings are the query service's."""
    with ExitStack() as stack:
        start = stack.enter_context(launcher(tmp_path_factory.mktemp("definitions")))
        session = stack.enter_context(requests.Session())

        def make_product(**settings: str) -> Product:
            name = f"definitions_{uuid.uuid4().hex}"
            postgres.clone(name)
            stack.callback(postgres.execute, f"drop database {name} with (force)")
            connection = psycopg.connect(postgres.url(name), autocommit=True, options="-c timezone=UTC")
            owner = stack.enter_context(connection)
            roles = {role: postgres.url(name, role) for role in ("collector", "query", "control")}
            control = {"CONTROL_DATABASE_URL": roles["control"], "SIGNING_KEY": make_signing_key()}
            collector = start("collector", wait=False, DATABASE_URL=roles["collector"])
            query = start("query", wait=False, DATABASE_URL=roles["query"], **control, **settings)
            collector.wait_ready()
            query.wait_ready()
            folder = tmp_path_factory.mktemp("blocks")
            return Product(collector, query, owner, postgres.url(name), session, write_keys(owner), folder)

        yield make_product


@pytest.fixture(scope="session")
def product(make_product) -> Product:
    return make_product()


def write_keys(owner: psycopg.Connection) -> dict[str, str]:
    """A key for each of two sources. The third source is that of events without a key."""
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
    """ask(events, question) stores these events alone, checks the answer against the reference and returns it.

    It asks twice: when the events are read from their rows, and when they are read from blocks.
    """

    def ask(events: list[Event], question: Question) -> Answer:
        product.fill(events)
        from_rows = product.ask(question, events)
        product.build_blocks()
        product.ask(question, events)
        return from_rows

    return ask
