"""Brokers of Kafka, started as the tests start them (tests/support/kafka_cluster.py), but with a heap as in production."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from kafka_cluster import KafkaCluster, kafka_cluster
from kafka_jars import fetch_once

from bench.noise import resident_mib
from event_tracker.cli.kafka_cluster import Cluster
from event_tracker.core.kafka.settings import STORERS_GROUP, KafkaSettings

PARTITIONS = 12
JAVA_OPTIONS = ("-Xmx1g", "-Xms256m")

SESSION_SECONDS = 300
"""Storers are stopped before a run, until the backlog is there, and stay members of their group meanwhile."""

DRAIN_SECONDS = 1200


class Brokers:
    """A cluster with the two topics.

    Attributes:
        settings: of whoever uses it.
        pids: of the brokers' processes.
    """

    def __init__(self, kafka: KafkaCluster) -> None:
        self.number = len(kafka.brokers)
        self.name = f"{self.number} broker{'s' * (self.number > 1)}"
        self.pids = [broker.process.pid for broker in kafka.brokers if broker.process]
        single = {"KAFKA_SINGLE": "true"} if self.number == 1 else {}
        self.settings = {"KAFKA_BROKERS": kafka.servers, "KAFKA_SESSION_SECONDS": str(SESSION_SECONDS), **single}
        own = KafkaSettings(kafka_brokers=kafka.servers)
        self._topic = own.kafka_topic
        for topic in (own.kafka_topic, own.kafka_rejections_topic):
            kafka.create_topic(topic, PARTITIONS)
        self._cluster = Cluster(own)

    def weigh(self) -> float:
        """Resident memory of the largest broker, in MiB."""
        return resident_mib(self.pids)

    def count_waiting(self) -> int:
        """The events in the topic that no storer has stored."""
        return sum(one.waiting for one in self._cluster.measure_lag(STORERS_GROUP, [self._topic]))

    def wait_stored(self) -> None:
        """Wait until storers have stored all events of the topic."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while waiting := self.count_waiting():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{waiting} events still wait for the storers after {DRAIN_SECONDS} s")
            time.sleep(0.3)

    def close(self) -> None:
        """Leave the brokers."""
        self._cluster.close()


def find_missing() -> str:
    """Why there can be no Kafka here; empty if there can."""
    missing = [name for name in ("java", "mvn") if not shutil.which(name)]
    if missing:
        return f"there is no {' and no '.join(missing)} (Debian, Ubuntu: apt install default-jre-headless maven)"
    try:
        fetch_once()
    except click.ClickException as error:
        return error.message
    return ""


@contextmanager
def run_brokers(number: int) -> Iterator[Brokers]:
    """So many brokers, for a while. What they hold is deleted at the end."""
    with (
        TemporaryDirectory(prefix="kafka", ignore_cleanup_errors=True) as folder,
        kafka_cluster(Path(folder), number, JAVA_OPTIONS) as kafka,
    ):
        brokers = Brokers(kafka)
        try:
            yield brokers
        finally:
            brokers.close()
