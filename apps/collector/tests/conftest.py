"""A collector for a whole module of cases; each case starts with empty tables."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest


@pytest.fixture(scope="module")
def shared_database(postgres) -> Iterator[str]:
    name = f"shared_{uuid.uuid4().hex}"
    postgres.execute(f"create database {name} template template_events")
    yield name
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="module")
def shared_collector(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("logs")) as start:
        yield start("collector", DATABASE_URL=postgres.url(shared_database, "collector"))


@pytest.fixture
def shared_owner(postgres, shared_database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.url(shared_database), autocommit=True, options="-c timezone=UTC") as connection:
        connection.execute("truncate events, event_counts")
        yield connection
