"""Where a group of storers starts, with the broker that librdkafka has inside for tests."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from confluent_kafka import Producer, TopicPartition

from event_tracker.cli.kafka_cluster import READ_AGAIN, Cluster
from event_tracker.core.kafka.settings import KafkaSettings

SECONDS = 30.0
COMMITTED = {0: 2, 1: 1, 3: 100}
"""Partition 2 has none; the record of partition 1 is gone; partition 3 was made again since."""


@pytest.fixture(scope="module")
def cluster():
    """A topic of 4 partitions of 3 records each, of which the first two of partition 1 are gone."""
    producer = Producer({"bootstrap.servers": "", "test.mock.num.brokers": 1, "allow.auto.create.topics": True})
    for partition in range(4):
        for number in range(3):
            producer.produce("events", f"{number}", partition=partition)
    assert producer.flush(SECONDS) == 0
    (address,) = producer.list_topics(timeout=SECONDS).brokers.values()
    made = Cluster(KafkaSettings.read(kafka_brokers=f"{address.host}:{address.port}"), answer_seconds=SECONDS)
    # What the broker inside can't do: delete records, list a group's offsets, find the offset of a time.
    made._read_ends = lambda _: {0: (0, 3), 1: (2, 3), 2: (0, 3), 3: (0, 3)}
    made._read_offsets = lambda _: {("events", partition): offset for partition, offset in COMMITTED.items()}
    made._consumer = SimpleNamespace(
        close=made._consumer.close, offsets_for_times=lambda asked, timeout: [TopicPartition("events", 0, 1)]
    )
    yield made
    made.close()


def set_start(cluster, start):
    return {one.partition: offset for one, offset in cluster.set_start("storers", ["events"], start).items()}


def test_earliest_goes_on_where_records_are_gone_and_goes_back_nowhere(cluster):
    assert set_start(cluster, "earliest") == {0: 2, 1: 2, 2: 0, 3: 0}


def test_going_back_says_that_the_erased_come_back(cluster, capsys):
    assert set_start(cluster, datetime(2026, 1, 1, tzinfo=UTC)) == {0: 1}
    assert capsys.readouterr().err.strip() == READ_AGAIN
    cluster._read_offsets = lambda _: {}
    assert set_start(cluster, "latest") == {0: 3, 1: 3, 2: 3, 3: 3}
    assert capsys.readouterr().err == ""
