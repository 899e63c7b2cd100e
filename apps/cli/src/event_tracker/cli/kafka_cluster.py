"""What commands ask Kafka. It needs the extra `kafka`, and so it is imported only where a command needs it."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

import click
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from event_tracker.core.kafka.configuration import common_configuration
from event_tracker.core.kafka.last_error import Cause, make_cause
from event_tracker.core.kafka.record_time import EPOCH, read_time
from event_tracker.core.kafka.settings import KafkaSettings

ANSWER_SECONDS = 15.0
IN_USE = (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP)
"""What Kafka answers to who isn't a member and wants to change the offsets of a group that has members."""

READ_AGAIN = (
    "Records that were stored before are read again. That stores nothing twice, and nothing of people who were erased since a storer "
    "first read the topic into this database."
)

SHOWN = (
    "retention.ms",
    "retention.bytes",
    "min.insync.replicas",
    "max.message.bytes",
    "cleanup.policy",
    "flush.messages",
)
"""The options of a topic that matter to us."""

Result = TypeVar("Result")


class TopicSummary(NamedTuple):
    """A topic: how many partitions and replicas it has, and how many records are in it."""

    name: str
    partitions: int
    replicas: int
    records: int


class PartitionLag(NamedTuple):
    """How far a group is in a partition.

    Attributes:
        committed: the offset of the next record to be stored; None if none is committed.
        waiting: records that aren't stored yet.
        oldest: when the first of them was written; None if none waits.
    """

    topic: str
    partition: int
    committed: int | None
    end: int
    waiting: int
    oldest: datetime | None


class PrintedRecord(NamedTuple):
    """A record as it is printed."""

    partition: int
    offset: int
    written: datetime
    key: str
    value: str


class Cluster:
    """A connection to the brokers of the settings.

    Args:
        answer_seconds: how long the brokers may take to answer a question.

    All methods raise ClickException, with Kafka's cause, if the brokers refuse or don't answer.
    """

    def __init__(self, settings: KafkaSettings, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._answer_seconds = answer_seconds
        self._cause: Cause | None = None
        options: dict[str, Any] = {
            **common_configuration(settings, "tracker"),
            "error_cb": self._note,
            "log_level": 0,
        }
        self._admin = AdminClient(options)
        # It never joins the group: it only asks.
        self._consumer = Consumer({**options, "group.id": "tracker-topics", "enable.auto.commit": False})

    def list_topics(self) -> list[TopicSummary]:
        """The topics, but for Kafka's own."""
        topics = self._call(lambda: self._consumer.list_topics(timeout=self._answer_seconds)).topics
        return [self._summarise(name, topics[name]) for name in sorted(topics) if not name.startswith("__")]

    def describe(self, name: str) -> tuple[TopicSummary, dict[str, str]]:
        """A topic, and its options."""
        found = self._call(lambda: self._consumer.list_topics(name, timeout=self._answer_seconds)).topics[name]
        if found.error:
            raise click.ClickException(f"{name}: {make_cause(found.error)}.")
        (future,) = self._admin.describe_configs([ConfigResource(ResourceType.TOPIC, name)]).values()
        options = self._wait(future)
        return self._summarise(name, found), {option: str(options[option].value) for option in SHOWN}

    def create(self, name: str, partitions: int, replicas: int, options: dict[str, str]) -> bool:
        """Make a topic. Returns whether it wasn't there yet; one that was stays as it is."""
        if name in self._call(lambda: self._consumer.list_topics(timeout=self._answer_seconds)).topics:
            return False
        (future,) = self._admin.create_topics([NewTopic(name, partitions, replicas, config=options)]).values()

        def wait() -> bool:
            try:
                future.result(self._answer_seconds)
            except KafkaException as error:
                # The list is what one broker knows; a topic that was made just now may be missing there.
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
                return False
            return True

        is_new = self._call(wait)
        self._wait_until_known(name)
        return is_new

    def _wait_until_known(self, name: str) -> None:
        """Wait until the brokers tell of a new topic: who starts after this command must find it."""
        deadline = time.monotonic() + self._answer_seconds
        while name not in self._call(lambda: self._consumer.list_topics(timeout=self._answer_seconds)).topics:
            if time.monotonic() > deadline:
                raise click.ClickException(f"Kafka doesn't tell of the topic {name}, although it was made.")
            time.sleep(0.1)

    def read(self, name: str, number: int, *, is_following: bool) -> Iterator[PrintedRecord]:
        """The last records of each partition, `number` together at most; then, if `is_following`, those that come."""
        ends = self._read_ends(name)
        each = -(-number // max(1, len(ends)))
        starts = [TopicPartition(name, one, max(first, end - each)) for one, (first, end) in ends.items()]
        self._consumer.assign(starts)
        left = {one.partition: ends[one.partition][1] for one in starts if one.offset < ends[one.partition][1]}
        printed = 0
        while is_following or (left and printed < number):
            record = self._consumer.poll(1.0)
            if record is None:
                continue
            if error := record.error():
                raise click.ClickException(f"{name}: {make_cause(error)}.")
            partition, offset = record.partition() or 0, record.offset() or 0
            if offset + 1 >= left.get(partition, 0):
                left.pop(partition, None)
            printed += 1
            written = read_time(record) or EPOCH
            key, value = (text.decode(errors="replace") if text else "" for text in (record.key(), record.value()))
            yield PrintedRecord(partition, offset, written, key, value)

    def measure_lag(self, group: str, names: Sequence[str]) -> list[PartitionLag]:
        """How far a group is in each partition of these topics."""
        committed = self._read_offsets(group)
        lags = []
        for name in names:
            for partition, (first, end) in self._read_ends(name).items():
                offset = committed.get((name, partition))
                waiting = max(0, end - max(first, offset or 0))
                oldest = self._read_time(name, partition, max(first, offset or 0)) if waiting else None
                lags.append(PartitionLag(name, partition, offset, end, waiting, oldest))
        return lags

    def set_start(self, group: str, names: Sequence[str], start: str | datetime) -> dict[TopicPartition, int]:
        """Commit the offsets from which a group reads. The group must have no members.

        Args:
            start: `earliest`: where it is; the first record that is left where none is committed, or what it points at is gone.
                `latest`: behind the last record. A time: the first record from then on, also if it was stored before, which is
                said.
        """
        committed = self._read_offsets(group)
        offsets = [one for name in names for one in self._find_offsets(name, start, committed)]
        asked = [ConsumerGroupTopicPartitions(group, offsets)]
        (future,) = self._admin.alter_consumer_group_offsets(asked).values()
        for one in self._wait(future).topic_partitions:
            if one.error and one.error.code() in IN_USE:
                raise click.ClickException(f"The group {group} has members: stop its storers first.")
            if one.error:
                raise click.ClickException(f"{one.topic}, partition {one.partition}: {make_cause(one.error)}.")
        if any(one.offset < committed.get((one.topic, one.partition), 0) for one in offsets):
            click.echo(READ_AGAIN, err=True)
        return {one: one.offset for one in offsets}

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def _find_offsets(
        self, name: str, start: str | datetime, committed: dict[tuple[str, int], int]
    ) -> list[TopicPartition]:
        ends = self._read_ends(name)
        if start == "latest":
            return [TopicPartition(name, one, end) for one, (_, end) in ends.items()]
        if not isinstance(start, datetime):
            return [
                TopicPartition(name, one, _go_on(committed.get((name, one)), first, end))
                for one, (first, end) in ends.items()
            ]
        asked = [TopicPartition(name, one, int(start.timestamp() * 1000)) for one in ends]
        found = self._call(lambda: self._consumer.offsets_for_times(asked, timeout=self._answer_seconds))
        for one in found:
            if one.offset < 0:  # no record is as late
                one.offset = ends[one.partition][1]
        return found

    def _read_ends(self, name: str) -> dict[int, tuple[int, int]]:
        """The first offset of each partition, and that behind its last record."""
        found = self._call(lambda: self._consumer.list_topics(name, timeout=self._answer_seconds)).topics[name]
        if found.error:
            raise click.ClickException(f"{name}: {make_cause(found.error)}.")
        ends = {}
        for one in sorted(found.partitions):
            asked = partial(
                self._consumer.get_watermark_offsets, TopicPartition(name, one), timeout=self._answer_seconds
            )
            ends[one] = self._call(asked)
        return ends

    def _read_offsets(self, group: str) -> dict[tuple[str, int], int]:
        (future,) = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
        return {
            (one.topic, one.partition): one.offset for one in self._wait(future).topic_partitions if one.offset >= 0
        }

    def _read_time(self, name: str, partition: int, offset: int) -> datetime | None:
        """When the record at this offset was written; None if that isn't known."""
        self._consumer.assign([TopicPartition(name, partition, offset)])
        deadline = time.monotonic() + self._answer_seconds
        while time.monotonic() < deadline:
            record = self._consumer.poll(1.0)
            if record and not record.error():
                return read_time(record)
        return None

    def _note(self, error: KafkaError) -> None:
        """Remember why brokers can't be reached; that none can only follows from that."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._cause = make_cause(error)

    def _summarise(self, name: str, topic: Any) -> TopicSummary:
        replicas = min((len(one.replicas) for one in topic.partitions.values()), default=0)
        records = sum(end - first for first, end in self._read_ends(name).values())
        return TopicSummary(name, len(topic.partitions), replicas, records)

    def _wait(self, future: "Future[Result]") -> Result:
        return self._call(lambda: future.result(self._answer_seconds))

    def _call(self, ask: Callable[[], Result]) -> Result:
        try:
            return ask()
        except KafkaException as error:
            self._consumer.poll(0)  # calls error_cb
            cause = self._cause or make_cause(error.args[0])
            raise click.ClickException(f"Kafka: {cause}.") from None
        except TimeoutError:
            raise click.ClickException(f"Kafka doesn't answer: {self._cause or 'it takes too long'}.") from None


def _go_on(committed: int | None, first: int, end: int) -> int:
    """The committed offset; the first one that is left, if there is none, or its record is gone, also with a topic that was made again."""
    return committed if committed is not None and first <= committed <= end else first
