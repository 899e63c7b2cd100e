"""When a record was written, as far as that is known."""

from datetime import UTC, datetime

import pytest
from confluent_kafka import Message

from event_tracker.core.kafka.record_time import read_time


@pytest.mark.parametrize(
    ("milliseconds", "time"),
    [(0, datetime(1970, 1, 1, tzinfo=UTC)), (1_772_366_400_123, datetime(2026, 3, 1, 12, 0, 0, 123_000, UTC))],
)
def test_a_time_to_the_millisecond(milliseconds, time):
    assert read_time(Message(timestamp=(1, milliseconds))) == time


@pytest.mark.parametrize("timestamp", [(0, -1), (1, 2**60)])
def test_none_if_it_has_no_time_or_no_clock_can_show_it(timestamp):
    assert read_time(Message(timestamp=timestamp)) is None
