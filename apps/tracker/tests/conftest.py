"""Fixtures for the commands that speak HTTP: one pair of services for all of them, since none of them changes it."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from servers import Postgres, Service

Launcher = Callable[[Path], AbstractContextManager[Callable[..., Service]]]


class Pair(NamedTuple):
    """Both services, and a connection of their database's owner."""

    collector: Service
    query: Service
    owner: psycopg.Connection


@pytest.fixture(scope="session")
def shared_pair(postgres: Postgres, launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    name = f"tracker_{uuid.uuid4().hex}"
    postgres.execute(f"create database {name} template template_events")
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
