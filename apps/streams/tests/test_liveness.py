"""When a restart may help, and when it wouldn't: without Kafka."""

import json
import time

import pytest

from event_tracker.streams.consuming.liveness import PROGRESS_SECONDS, Liveness
from event_tracker.streams.consuming.membership import Membership
from event_tracker.streams.process.lifecycle import TICK_SECONDS
from event_tracker.streams.storer.metrics import CONSUMER


@pytest.fixture
def later(monkeypatch):
    """Moves the monotonic clock on."""
    real, moved = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: real() + moved[0])

    def move(seconds: float) -> None:
        moved[0] += seconds

    return move


def statistics(state: str = "up", join_state: str = "steady", broker: str = "UP") -> str:
    brokers = {"localhost:1/1": {"state": broker, "nodeid": 1}, "GroupCoordinator": {"state": "UP", "nodeid": -1}}
    return json.dumps({"brokers": brokers, "cgrp": {"state": state, "join_state": join_state, "more": 1}, "topics": {}})


def test_an_idle_storer_is_well(later):
    liveness = Liveness(Membership(CONSUMER), lambda: 0)
    for _ in range(10):
        later(TICK_SECONDS / 2)
        liveness.tick()
        assert liveness.find_fault() is None


def test_a_loop_that_hangs_is_a_fault(later):
    liveness = Liveness(Membership(CONSUMER), lambda: 0)
    later(TICK_SECONDS + 1)
    assert liveness.find_fault() == "the loop hangs"


def test_records_that_wait_are_a_fault_if_nothing_is_stored(later):
    membership = Membership(CONSUMER)
    membership.read(statistics())
    liveness = Liveness(membership, lambda: 5)
    for _ in range(3):
        later(PROGRESS_SECONDS / 2)
        liveness.tick()
    assert "records wait" in (liveness.find_fault() or "")
    liveness.progress()
    assert liveness.find_fault() is None


def test_records_that_wait_are_no_fault_while_no_broker_can_be_reached(later):
    membership = Membership(CONSUMER)
    liveness = Liveness(membership, lambda: 5)
    for broker in ("UP", "DOWN", "TRY_CONNECT"):
        membership.read(statistics(broker=broker))
        for _ in range(3):
            later(PROGRESS_SECONDS / 4)
            liveness.tick()
            assert liveness.find_fault() is None
    membership.read(statistics())
    later(PROGRESS_SECONDS + 1)
    liveness.tick()
    assert "records wait" in (liveness.find_fault() or "")


def test_to_be_outside_of_the_group_is_a_fault_if_a_broker_can_be_reached(later):
    membership = Membership(CONSUMER)
    liveness = Liveness(membership, lambda: 0)
    membership.read(statistics())
    assert membership.has_joined
    for told, is_fault in (
        (statistics(join_state="wait-join"), True),
        (statistics("wait-coord", broker="DOWN"), False),
        (statistics(), False),
    ):
        membership.read(told)
        later(PROGRESS_SECONDS + 1)
        liveness.tick()
        membership.read(told)
        assert bool(liveness.find_fault()) == is_fault


def test_it_has_not_joined_before_it_is_a_member():
    membership = Membership(CONSUMER)
    membership.read(statistics(join_state="wait-sync"))
    membership.read(json.dumps({"name": "x", "brokers": {}}))
    assert not membership.has_joined
