"""How far a storer is, and how far behind: without Kafka."""

import time

import pytest

from event_tracker.streams.consuming.positions import Partition, Positions
from event_tracker.streams.storer.metrics import CONSUMER

P0, P1 = Partition("events", 0), Partition("events", 1)


@pytest.fixture
def positions():
    made = Positions(CONSUMER)
    made.assign({P0: 10, P1: None})
    yield made
    made.remove(made.all)


@pytest.fixture
def now(monkeypatch):
    """Sets the clock."""
    started = time.time()

    def set_clock(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: started + seconds)

    set_clock(0)
    return set_clock


def test_what_is_stored_is_committed_once(positions):
    assert positions.take_uncommitted() == {}
    positions.advance(P0, 10, 0)
    positions.advance(P0, 11, 0)
    positions.advance(P1, 4, 0)
    assert positions.take_uncommitted() == {P0: 12, P1: 5}
    assert positions.take_uncommitted() == {}


def test_what_could_not_be_committed_is_committed_with_the_next(positions):
    positions.advance(P0, 10, 0)
    positions.advance(P1, 4, 0)
    positions.take_uncommitted()
    positions.refuse([P0])
    assert positions.take_uncommitted() == {P0: 11}


def test_an_offset_never_goes_back(positions):
    positions.advance(P0, 20, 0)
    positions.advance(P0, 11, 0)
    assert positions.take_uncommitted() == {P0: 21}


def test_the_offsets_of_partitions_that_are_gone_are_not_committed(positions):
    positions.advance(P0, 10, 0)
    positions.remove([P0])
    positions.advance(P0, 11, 0)
    assert positions.take_uncommitted() == {}
    assert P0 not in positions
    assert positions.all == [P1]


def test_the_lag_in_records_counts_from_the_offset_or_the_first_record(positions):
    positions.observe(P0, 0, 25)
    positions.observe(P1, 5, 25)
    assert positions.count_waiting() == 15 + 20
    positions.advance(P0, 14, 0)
    assert positions.count_waiting() == 10 + 20
    positions.observe(P0, 0, 15)
    positions.observe(P1, 25, 25)
    assert positions.count_waiting() == 0


def test_the_lag_in_seconds_is_the_age_of_what_is_stored(now):
    now(0)
    positions = Positions(CONSUMER)
    positions.assign({P0: 0})
    assert positions.measure_lag() == 0
    positions.observe(P0, 0, 100)
    now(60)
    assert positions.measure_lag() == 60  # nothing is stored yet: since it was assigned
    positions.advance(P0, 0, time.time() - 500)
    assert positions.measure_lag() == 500
    now(70)
    assert positions.measure_lag() == 510
    positions.advance(P0, 99, time.time() - 1)
    assert positions.measure_lag() == 0
    positions.remove([P0])


def test_after_an_idle_hour_the_lag_begins_when_a_record_waits(now):
    now(0)
    positions = Positions(CONSUMER)
    positions.assign({P0: 0})
    positions.advance(P0, 0, time.time())
    now(3600)
    positions.observe(P0, 0, 1)
    positions.observe(P0, 0, 2)
    now(3605)
    assert positions.measure_lag() == 5
    positions.remove([P0])


def test_after_an_assignment_the_lag_begins_with_the_first_record_that_is_read(now):
    """Or each start and each rebalance would forget an outage."""
    now(0)
    positions = Positions(CONSUMER)
    positions.assign({P0: 0})
    positions.observe(P0, 0, 100)
    positions.begin(P0, time.time() - 7200)
    assert positions.measure_lag() == 7200
    positions.begin(P0, time.time() - 9000)  # out of order: the first one counts
    now(10)
    assert positions.measure_lag() == 7210
    positions.advance(P0, 0, time.time() - 300)
    assert positions.measure_lag() == 300
    positions.remove([P0])


def test_a_first_record_that_is_new_or_has_no_time_says_nothing(now):
    now(0)
    positions = Positions(CONSUMER)
    positions.assign({P0: 0})
    positions.observe(P0, 0, 100)
    now(60)
    positions.begin(P0, time.time())
    assert positions.measure_lag() == 60
    positions.assign({P1: 0})
    positions.observe(P1, 0, 100)
    positions.begin(P1, -0.001)
    assert positions.measure_lag() == 60
    positions.remove([P0, P1])
