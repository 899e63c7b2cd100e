"""What is in a topic, and collectors that write to it."""

from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition
from kafka_cluster import ANSWER_SECONDS, KafkaCluster
from servers import Service

from event_tracker.model.storing.record import read_record
from event_tracker.model.storing.row import Row

POLL_SECONDS = 1.0


def read_topic(kafka: KafkaCluster, topic: str) -> list[Message]:
    """All records of a topic, in the order of each partition."""
    consumer = Consumer(kafka.client(**{"group.id": "test", "enable.auto.commit": False}))
    try:
        partitions = consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic].partitions
        places = [TopicPartition(topic, partition) for partition in partitions]
        ends = [consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS) for place in places]
        consumer.assign(
            [TopicPartition(topic, place.partition, low) for place, (low, _) in zip(places, ends, strict=True)]
        )
        wanted = sum(high - low for low, high in ends)
        records: list[Message] = []
        while len(records) < wanted:
            records += [record for record in consumer.consume(wanted, POLL_SECONDS) if record.error() is None]
        return records
    finally:
        consumer.close()


def read_rows(kafka: KafkaCluster, topic: str) -> list[Row]:
    """The rows of all records of a topic."""
    return [read_record(record.value(), record.headers()) for record in read_topic(kafka, topic)]


def start_collector(
    start_service: Callable[..., Service], kafka: KafkaCluster, topic: str, url: str, **settings: Any
) -> Service:
    """Start a collector whose events go to a topic, and its refused events to another one, `TOPIC.rejections`."""
    common = {"KAFKA_BROKERS": kafka.servers, "KAFKA_TOPIC": topic, "KAFKA_REJECTIONS_TOPIC": f"{topic}.rejections"}
    single = {"KAFKA_SINGLE": "true"} if len(kafka.brokers) == 1 else {}
    return start_service("collector", DATABASE_URL=url, **{**common, **single, **settings})
