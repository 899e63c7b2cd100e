"""Storers as processes, what collectors would put into their topic, and whether it is stored."""

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, Message, Producer, TopicPartition
from kafka_cluster import ANSWER_SECONDS, KafkaCluster
from stream_processes import StreamProcess, stream_processes
from waiting import wait_until

from event_tracker.model.storing.record import make_record
from event_tracker.model.storing.row import Row

START = datetime(2026, 3, 1, tzinfo=UTC)
GROUP = "event-tracker"


Storer = StreamProcess


@contextmanager
def storers(folder: Path, kafka: KafkaCluster, topic: str, database_url: str) -> Iterator[Callable[..., Storer]]:
    """Yield a function that starts storers of a topic; `wait=False` doesn't wait until they are members of the group."""
    common = {
        "KAFKA_TOPIC": topic, "KAFKA_REJECTIONS_TOPIC": f"{topic}.rejections", "KAFKA_GROUP": topic,
        "KAFKA_SINGLE": "true", "DATABASE_URL": database_url,
    }  # fmt: skip
    with stream_processes(folder, kafka, "storer", common) as start:
        yield start


def make_row(number: int, **fields: Any) -> Row:
    """An event, another one for each number; the same again for the same number."""
    made: dict[str, Any] = {
        "user_id": f"user-{number % 97}",
        "timestamp": START + timedelta(seconds=number),
        "event_id": uuid.uuid5(uuid.NAMESPACE_URL, str(number)).bytes,
        "event_type": f"type-{number % 5}",
        "session_id": None,
        "properties": b'{"number":%d}' % number,
        "source": "default",
    }
    return Row(**{**made, **fields})


class Sender:
    """Puts events into a topic as collectors do, with a record for each that the brokers acknowledged.

    Args:
        options: more of librdkafka's.
    """

    def __init__(self, kafka: KafkaCluster, topic: str, **options: Any) -> None:
        self._topic = topic
        self._producer = Producer(
            kafka.client(acks="all", **{"enable.idempotence": True, "delivery.timeout.ms": 60_000, **options})
        )
        self._next = 0
        self.acknowledged: set[str] = set()

    def send(self, number: int) -> None:
        """Send so many new events, and wait until they are acknowledged."""
        self.send_rows(make_row(one) for one in range(self._next, self._next + number))
        self._next += number

    def send_rows(self, rows: Iterable[Row]) -> None:
        """Send these events together, and wait until they are acknowledged."""
        for row in rows:
            self.send_row(row, wait=False)
        self._producer.flush(60)

    def send_row(self, row: Row, *, wait: bool = True) -> None:
        """Send one event."""
        record = make_record(row, "test")
        self.send_record(record.value, key=record.key, headers=record.headers, event_id=row.event_id, wait=wait)

    def send_record(
        self, value: bytes | None, *, event_id: bytes | None = None, wait: bool = True, **options: Any
    ) -> None:
        """Send whatever it is."""

        def note(error: KafkaError | None, _: Message) -> None:
            if error is None and event_id:
                self.acknowledged.add(str(uuid.UUID(bytes=event_id)))

        while True:
            try:
                self._producer.produce(self._topic, value, on_delivery=note, **options)
                break
            except BufferError:
                self._producer.poll(0.1)
        if wait:
            self._producer.flush(60)

    @contextmanager
    def sending(self, each: int = 50) -> Iterator[None]:
        """Send events all the time, in a thread."""
        stopping = threading.Event()

        def go_on() -> None:
            while not stopping.is_set():
                self.send(each)
                time.sleep(0.02)

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()


def check_books(url: str, acknowledged: set[str]) -> None:
    """Every acknowledged event is stored once, and counted once; its user is known."""
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        stored = [str(row[0]) for row in connection.execute("select event_id from events")]
        ((counted,),) = connection.execute("select coalesce(sum(count), 0) from event_counts").fetchall()
        ((unknown,),) = connection.execute(
            "select count(*) from (select user_id from events except select user_id from users) as unknown"
        ).fetchall()
    assert acknowledged - set(stored) == set()
    assert len(stored) == len(set(stored)) == counted
    assert unknown == 0


def wait_stored(url: str, number: int, seconds: float = 120) -> None:
    """Wait until so many events are stored."""
    with psycopg.connect(url, autocommit=True) as connection:

        def count() -> int:
            ((stored,),) = connection.execute("select count(*) from events").fetchall()
            return int(stored)

        wait_until(lambda: count() >= number, f"{number} events stored, but {count()}", seconds)


def committed(kafka: KafkaCluster, topic: str, group: str | None = None) -> dict[int, int]:
    """The offsets that a group has committed, by partition; its name is the topic's unless it is given."""
    asked = [ConsumerGroupTopicPartitions(group or topic)]
    (future,) = kafka.admin.list_consumer_group_offsets(asked).values()
    return {one.partition: one.offset for one in future.result(ANSWER_SECONDS).topic_partitions if one.topic == topic}


def ends(kafka: KafkaCluster, topic: str) -> dict[int, int]:
    """The offset behind the last record of each partition."""
    consumer = Consumer(kafka.client(**{"group.id": "looks"}))
    try:
        partitions = consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic].partitions
        return {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=ANSWER_SECONDS)[1]
            for number in partitions
        }
    finally:
        consumer.close()


def is_all_committed(kafka: KafkaCluster, topic: str, group: str | None = None) -> bool:
    """Whether a group has committed everything; its name is the topic's unless it is given."""
    done = committed(kafka, topic, group)
    return all(done.get(number) == end for number, end in ends(kafka, topic).items() if end)
