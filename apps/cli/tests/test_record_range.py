"""Records of a topic between two times, with a consumer that is played. tests/platform/kafka has a real one."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, Message

from event_tracker.cli.topics import record_range
from event_tracker.cli.topics.record_range import RecordRange
from event_tracker.core.kafka.settings import KafkaSettings

START, END = (datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2))


def record(offset, partition=0):
    return Message(topic="events", partition=partition, offset=offset, value=b"{}", timestamp=(1, 1_770_000_000_000))


def end(offset, partition=0):
    return Message(topic="events", partition=partition, offset=offset, error=KafkaError(KafkaError._PARTITION_EOF))


class Played:
    """A consumer of two partitions whose range is from 0 to 4. What it reads is `answers`; then a test has waited for too much."""

    answers = ()

    def __init__(self, options):
        self.options = options
        self._left = iter(self.answers)

    def list_topics(self, topic, timeout):
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions={0: None, 1: None})})

    def get_watermark_offsets(self, _, timeout):
        return 0, 4

    def offsets_for_times(self, asked, timeout):
        for one in asked:
            one.offset = 0 if one.offset == START.timestamp() * 1000 else 4
        return asked

    def assign(self, _):
        pass

    def consume(self, most, seconds):
        return next(self._left, None) or pytest.fail("It waits for ever.")


@pytest.fixture
def read(monkeypatch):
    def read(*answers, until=None):
        monkeypatch.setattr(record_range, "Consumer", type("One", (Played,), {"answers": answers}))
        records = RecordRange(KafkaSettings(kafka_brokers="127.0.0.1:1"), "events", START, until)
        return [(one.partition(), one.offset()) for batch in records.read(10) for one in batch]

    return read


@pytest.mark.parametrize("until", [None, END])
def test_all_of_the_range_is_read(read, until):
    two = [record(offset, partition) for offset in range(4) for partition in range(2)]
    assert read(two[:5], two[5:], until=until) == [(offset % 2, offset // 2) for offset in range(8)]


def test_a_range_whose_last_offset_has_no_record_ends_where_the_partition_does(read):
    """It is a transaction's end."""
    first = [*(record(offset) for offset in range(3)), end(4)]
    assert read(first, [record(0, 1), end(4, 1)]) == [(0, 0), (0, 1), (0, 2), (1, 0)]


def test_a_range_whose_last_offset_has_no_record_ends_at_a_later_record(read):
    """It was compacted."""
    first = [record(0), record(7), record(8)]
    assert read(first, [record(1, 1)], [record(4, 1)], until=END) == [(0, 0), (1, 1)]


def test_the_end_of_what_can_be_read_by_now_may_be_before_the_end_of_the_range(read):
    """A transaction is open."""
    assert read([record(0), end(1), end(4, 1)], [record(3)]) == [(0, 0), (0, 3)]
