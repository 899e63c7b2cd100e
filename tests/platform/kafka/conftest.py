"""Fixtures for what needs a Kafka; skipped, with the reason, where Java or Maven is missing."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka_cluster import KafkaCluster, kafka_cluster
from publishers import Publisher, Writer, publishers
from servers import Postgres
from storers import Storer, storers


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """One broker for all tests. Each makes its own topics and groups."""
    with kafka_cluster(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Three brokers, for a module whose tests end some of them. Topics have three replicas, and need two."""
    with kafka_cluster(tmp_path_factory.mktemp("kafka3"), 3) as cluster:
        yield cluster


@pytest.fixture
def topic(request: pytest.FixtureRequest, kafka: KafkaCluster) -> str:
    """The name of a new topic of six partitions; also that of its group. Beside it there is one for refused events."""
    # Tests of several files may have the same name.
    whole = f"{request.node.path.stem.removeprefix('test_')} {request.node.name.removeprefix('test_')}"
    name = re.sub("[^a-z0-9]+", "-", whole.lower())
    kafka.create_topic(f"{name[:120]}.rejections", 1)
    return kafka.create_topic(name[:120], 6)


@pytest.fixture
def url(postgres: Postgres, database: str) -> str:
    """This test's database, as its owner."""
    return postgres.url(database)


@pytest.fixture
def start(
    tmp_path: Path, kafka: KafkaCluster, topic: str, postgres: Postgres, database: str
) -> Iterator[Callable[..., Storer]]:
    """A function that starts a storer of the topic."""
    with storers(tmp_path, kafka, topic, postgres.url(database, "collector")) as start_storer:
        yield start_storer


@pytest.fixture
def publish(
    tmp_path: Path, kafka: KafkaCluster, topic: str, postgres: Postgres, database: str
) -> Iterator[Callable[..., Publisher]]:
    """A function that starts a publisher to the topic."""
    with publishers(tmp_path, kafka, topic, postgres.url(database, "relay")) as start_publisher:
        yield start_publisher


@pytest.fixture
def writer(postgres: Postgres, database: str) -> Writer:
    """Stores events in this test's database."""
    return Writer(postgres.url(database, "collector"))
