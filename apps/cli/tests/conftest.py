"""Fixtures for the commands that use HTTP: one pair of services for all tests, since no test changes its settings."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from commands import run_tracker
from scripted import Scripted, scripted_servers
from sent_files import Store
from servers import Postgres, Service
from signing_key import make_signing_key

from event_tracker.core.secrets.keys import make_key

Launcher = Callable[[Path], AbstractContextManager[Callable[..., Service]]]


class Pair(NamedTuple):
    """Both services, and a connection of their database's owner."""

    collector: Service
    query: Service
    owner: psycopg.Connection


@pytest.fixture(scope="session")
def shared_pair(postgres: Postgres, launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    name = f"tracker_{uuid.uuid4().hex}"
    postgres.clone(name)
    with (
        launcher(tmp_path_factory.mktemp("pair")) as start,
        psycopg.connect(postgres.url(name), autocommit=True, options="-c timezone=UTC") as owner,
    ):
        collector = start("collector", wait=False, DATABASE_URL=postgres.url(name, "collector"))
        query = start("query", wait=False, DATABASE_URL=postgres.url(name, "query"))
        collector.wait_ready()
        query.wait_ready()
        yield Pair(collector, query, owner)
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture
def pair(shared_pair: Pair) -> Pair:
    """Both services on empty tables."""
    ((tables,),) = shared_pair.owner.execute(
        "select string_agg(quote_ident(relname), ', ') from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'p') and not relispartition and relname !~ 'yoyo|catalog_version'"
    ).fetchall()
    shared_pair.owner.execute(f"truncate {tables}".encode())
    return shared_pair


@pytest.fixture
def store(pair: Pair) -> Store:
    """The collector of `pair`, and what is in its database."""
    return Store(pair.collector.url, pair.owner)


@pytest.fixture
def guarded_query(start_service, postgres, database):
    given = {"DATABASE_URL": postgres.url(database, "query"), "CONTROL_DATABASE_URL": postgres.url(database, "control")}
    return start_service("query", AUTH="required", SIGNING_KEY=make_signing_key(), **given)


@pytest.fixture
def admin_token(owner):
    """A token with the scope admin."""
    new = make_key("rt")
    owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'tests', %s, '{admin}')",
        [new.prefix, new.hash],
    )
    return new.key


@pytest.fixture
def tracker(guarded_query, admin_token):
    """A function that runs a command with a token with the scope admin."""

    def run(*arguments, stdin="", **environment):
        given = {"QUERY_URL": guarded_query.url, "API_TOKEN": admin_token, "COLUMNS": "200", **environment}
        environment = {name: value for name, value in {**os.environ, **given}.items() if value is not None}
        return run_tracker(*arguments, environment=environment, given=stdin)

    return run


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    """A function that starts a server with these answers."""
    with scripted_servers() as start:
        yield start
