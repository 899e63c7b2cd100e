"""The storer's consumer, with the broker that librdkafka has inside for tests. What real brokers do: tests/platform/kafka."""

import time
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from event_tracker.core.kafka.last_error import LastError
from event_tracker.streams.consuming.membership import Membership
from event_tracker.streams.consuming.positions import Partition, Positions
from event_tracker.streams.consuming.source import LostRecordsError, RecordSource
from event_tracker.streams.consuming.subscription import Subscription
from event_tracker.streams.storer.metrics import CONSUMER
from event_tracker.streams.storer.service import subscribe
from event_tracker.streams.storer.settings import StorerSettings

SECONDS = 30.0
MIB = 1024 * 1024
WRITTEN = 1_772_366_400
"""When all records were written, in seconds since 1970."""

EVENTS, REJECTIONS = "events", "rejections"


@pytest.fixture(scope="module")
def broker():
    """Its producer: the broker lives as long as it does. Each topic has 4 partitions."""
    producer = Producer({"bootstrap.servers": "", "test.mock.num.brokers": 1, "allow.auto.create.topics": True})
    for topic in (EVENTS, REJECTIONS):
        for partition in range(4):
            for number in range(3):
                producer.produce(topic, f"{partition}/{number}", partition=partition, timestamp=WRITTEN * 1000)
    assert producer.flush(SECONDS) == 0
    return producer


@pytest.fixture
def settings(broker, request):
    """Of a group of its own; with the quicker protocol, unless a test names one."""
    (address,) = broker.list_topics(timeout=SECONDS).brokers.values()
    return StorerSettings.read(
        kafka_brokers=f"{address.host}:{address.port}", kafka_topic=EVENTS, kafka_rejections_topic=REJECTIONS,
        kafka_group=str(uuid4()), kafka_protocol=getattr(request, "param", "consumer"),
        database_url="postgresql://nobody@127.0.0.1/none",
    )  # fmt: skip


@pytest.fixture
def start(settings):
    """A function that makes a source of both topics; it is closed at the end."""
    made = []

    def start(restarted=lambda: None):
        source = RecordSource(
            settings, subscribe(settings, restarted), Positions(CONSUMER), Membership(CONSUMER), LastError()
        )
        made.append(source)
        return source

    yield start
    for source in made:
        source.close()


def commit(settings, offsets):
    """Commit offsets as the storers' group, by topic and partition."""
    consumer = Consumer({"bootstrap.servers": settings.kafka_brokers, "group.id": settings.kafka_group})
    consumer.commit(offsets=[TopicPartition(*place, offset) for place, offset in offsets.items()], asynchronous=False)
    consumer.close()


def read(source, number):
    """So many records, as topic and value."""
    deadline = time.monotonic() + SECONDS
    records = []
    while len(records) < number and time.monotonic() < deadline:
        records += [(record.topic(), record.value().decode()) for record in source.read(100, MIB)]
    return sorted(records)


PARTITIONS = [(topic, number) for topic in (EVENTS, REJECTIONS) for number in range(4)]
ALL_STORED = dict.fromkeys(PARTITIONS, 3)


def test_refused_events_that_are_gone_do_not_stop_the_storing_of_events(settings, start):
    commit(settings, {**ALL_STORED, (REJECTIONS, 0): 1000})
    told = []
    source = start(lambda: told.append(True))
    assert read(source, 3) == [(REJECTIONS, f"0/{number}") for number in range(3)]
    assert told == [True]
    partition = Partition(REJECTIONS, 0)
    source.positions.advance(partition, 2, WRITTEN)
    assert source.positions.take_uncommitted() == {partition: 3}


def test_events_that_are_gone_leave_it_to_a_person(settings, start):
    commit(settings, {**ALL_STORED, (EVENTS, 0): 1000})
    with pytest.raises(LostRecordsError, match=r"topic events, partition 0 .* --from earliest"):
        read(start(), 1)


class _Asked:
    """A consumer whose first answers about committed offsets fail, as those of brokers that are just starting do."""

    def __init__(self, consumer, failures):
        self._consumer = consumer
        self._failures = failures

    def __getattr__(self, name):
        return getattr(self._consumer, name)

    def committed(self, partitions, timeout):
        if self._failures:
            self._failures.pop()
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return self._consumer.committed(partitions, timeout=timeout)


@pytest.mark.parametrize("settings", ["classic", "consumer"], indirect=True)
def test_offsets_that_are_not_known_yet_are_asked_for_again(settings, start):
    """Where none is committed, it reads from the first record."""
    commit(settings, {(EVENTS, 0): 1})
    source = start()
    failures = [1, 2, 3]
    source._consumer = _Asked(source._consumer, failures)
    everything = [(topic, f"{partition}/{number}") for topic, partition in PARTITIONS for number in range(3)]
    assert read(source, 23) == sorted(set(everything) - {(EVENTS, "0/0")})
    assert {position.reference for position in source.positions._positions.values()} == {WRITTEN}
    assert not failures


@pytest.fixture
def archive(settings):
    """A function that makes a source of one topic, which notes the partitions that it gets, with the texts beside their offsets."""
    made = []

    def start():
        told = {}
        subscription = Subscription(
            client="archive",
            topics=[EVENTS],
            done="in a file",
            advice="",
            on_assigned=told.__setitem__,
            on_revoked=told.pop,
        )
        source = RecordSource(settings, subscription, Positions(CONSUMER), Membership(CONSUMER), LastError())
        made.append(source)
        deadline = time.monotonic() + SECONDS
        while len(told) < 4 and time.monotonic() < deadline:
            source.read(100, MIB)
        return source, told

    yield start
    for source in made:
        source.close()


def test_a_text_beside_an_offset_is_told_to_the_next_member(archive):
    one, other = Partition(EVENTS, 1), Partition(EVENTS, 2)
    source, told = archive()
    assert told == {Partition(EVENTS, number): "" for number in range(4)}
    for partition in (one, other):
        source.positions.advance(partition, 1, WRITTEN)  # as if that couldn't be committed
    assert source.claim({one: (2, "to=7")}) == [one]
    source.commit([])  # commits the other's offset, and must leave the text alone
    source.close()
    assert told == {}
    _, told = archive()
    assert told[one] == "to=7"
    assert told[other] == ""
