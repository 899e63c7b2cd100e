"""Fixtures for what needs a Kafka; skipped, with the reason, where Java or Maven is missing."""

from collections.abc import Iterator

import pytest
from kafka_cluster import KafkaCluster, kafka_cluster


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
