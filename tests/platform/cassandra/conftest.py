"""Fixtures for what needs a Cassandra; skipped, with the reason, where Java or Maven is missing."""

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cassandra_node import CassandraNode, cassandra_node
from publishers import Writer
from servers import Postgres
from stream_processes import StreamProcess, started_processes


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraNode]:
    """One node for all tests. Each has its own keyspace."""
    with cassandra_node(tmp_path_factory.mktemp("cassandra")) as started:
        yield started


@pytest.fixture
def keyspace(request: pytest.FixtureRequest, node: CassandraNode) -> str:
    """The name of a new keyspace, and of a user of it."""
    readable = re.sub("[^a-z0-9]+", "_", request.node.name.removeprefix("test_").lower())
    digest = hashlib.sha256(request.node.nodeid.encode()).hexdigest()
    return node.make_keyspace(f"{readable[:35]}_{digest[:8]}")


@pytest.fixture
def sign_in(node: CassandraNode, keyspace: str) -> dict[str, object]:
    """The settings of who signs in as the user of the keyspace, by TLS."""
    return {
        "CASSANDRA_HOSTS": node.host, "CASSANDRA_PORT": node.port, "CASSANDRA_KEYSPACE": keyspace,
        "CASSANDRA_SECURITY": "tls", "CASSANDRA_CA": node.ca, "CASSANDRA_SERVER_NAME": node.name,
        "CASSANDRA_USER": keyspace, "CASSANDRA_PASSWORD": "secret",
    }  # fmt: skip


@pytest.fixture
def relay(
    tmp_path: Path, postgres: Postgres, database: str, sign_in: dict[str, object]
) -> Iterator[Callable[..., StreamProcess]]:
    """A function that starts a relay to the keyspace."""
    given = {"DATABASE_URL": postgres.url(database, "relay"), **sign_in}
    with started_processes(tmp_path, "cassandra", given) as start:
        yield start


@pytest.fixture
def writer(postgres: Postgres, database: str) -> Writer:
    """Stores events in this test's database."""
    return Writer(postgres.url(database, "collector"))
