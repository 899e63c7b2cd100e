"""When a file is due, and which records it has."""

import time

import pytest

from event_tracker.streams.archive.buffers import Buffers
from event_tracker.streams.archive.claim import Claim
from event_tracker.streams.consuming.positions import Partition

ONE, OTHER = Partition("orders", 1), Partition("orders", 2)


@pytest.fixture
def make(record):
    """A function that makes buffers of both partitions; `fill` adds records to them."""

    def make(**limits):
        given = {"max_records": 10, "max_bytes": 10**6, "max_seconds": 3600, "max_total_bytes": 10**7, **limits}
        made = Buffers(**given)
        made.begin(ONE, "")
        made.begin(OTHER, "")
        return made

    return make


@pytest.fixture
def fill(record):
    def fill(buffers, offsets, partition=ONE, size=10):
        for offset in offsets:
            buffers.add(partition, record(b"x" * size, offset, partition=partition.number))

    return fill


def offsets(records):
    return [one.offset() for one in records]


def test_a_file_has_so_many_records(make, fill):
    buffers = make()
    fill(buffers, range(5, 14))
    assert buffers.find_due() == []
    fill(buffers, range(14, 30))
    assert buffers.find_due() == [ONE]
    assert (buffers.first(ONE), buffers.choose_last(ONE)) == (5, 14)
    buffers[ONE].claim = Claim(14, "csv", "none")
    assert offsets(buffers.look(ONE)) == list(range(5, 15))
    buffers.remove(ONE, 10)
    assert buffers.first(ONE) == 15
    assert buffers[ONE].claim is None
    assert buffers.count() == 15


def test_a_file_has_so_many_bytes_and_a_larger_record_is_alone(make, fill):
    buffers = make(max_bytes=1000)
    fill(buffers, [0, 1, 2], size=300)
    assert buffers.find_due() == [ONE]
    assert buffers.choose_last(ONE) == 1
    fill(buffers, [0, 1], OTHER, size=5000)
    assert buffers.find_due() == [ONE, OTHER]
    assert buffers.choose_last(OTHER) == 0


def test_a_record_waits_so_long(make, fill, monkeypatch):
    buffers = make(max_seconds=60)
    fill(buffers, [3])
    assert buffers.find_due() == []
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    assert buffers.find_due() == [ONE]
    fill(buffers, [4])
    assert buffers.choose_last(ONE) == 4


def test_records_of_all_partitions_together_are_bounded(make, fill):
    buffers = make(max_total_bytes=3000)
    fill(buffers, [0], size=1500)
    assert buffers.find_due() == []
    fill(buffers, [0], OTHER, size=2000)
    assert buffers.find_due() == [OTHER]
    buffers[OTHER].claim = Claim(0, "csv", "none")
    buffers.remove(OTHER, 1)
    assert buffers.find_due() == []


def test_what_was_decided_before_a_crash_is_done_as_it_was_decided(make, fill):
    buffers = make(max_records=2)
    buffers.begin(ONE, str(Claim(7, "csv", "none")))
    fill(buffers, [3, 4, 5, 6])
    assert buffers.find_due() == []  # though it is full, by the settings of today
    fill(buffers, [9])  # 7 is no more in the topic
    assert buffers.find_due() == [ONE]
    assert buffers[ONE].is_inherited
    assert offsets(buffers.look(ONE)) == [3, 4, 5, 6]
    buffers.remove(ONE, 4)
    assert not buffers[ONE].is_inherited
    assert buffers.find_due() == []
    assert buffers.first(ONE) == 9


def test_a_partition_that_is_assigned_again_begins_anew(make, fill):
    buffers = make()
    fill(buffers, [1, 2])
    buffers.drop(ONE)
    assert ONE not in buffers
    fill(buffers, [3])  # of a partition that isn't ours
    buffers.begin(ONE, "another program's")
    assert buffers.count() == 0
    assert buffers[ONE].claim is None
