"""Checks in the collector's own process are charged, too. After a slow one, such events go to the other process for a while."""

import pytest

from event_tracker.collector.tracking_plan import budgets, plans
from event_tracker.collector.tracking_plan.plans import TrackingPlan
from event_tracker.collector.tracking_plan.slow_checks import SlowChecks, UncheckedError
from event_tracker.model import schema_checks
from event_tracker.model.schema_checks import LEAST_FAST_BYTES, Check

SCHEMA = {"required": ["a"], "properties": {"a": {"items": {"anyOf": [{"type": "integer"}] * 30}}}}


@pytest.fixture
def check():
    return Check(1, SCHEMA)


@pytest.fixture
def plan(check):
    slow = SlowChecks()
    yield TrackingPlan("shop", enforced=True, find_check={"list": check}.get, slow=slow)
    slow.close()


def test_a_check_that_was_slow_makes_such_events_slow_for_a_while(check, monkeypatch):
    estimated = check.fast_bytes
    check.mark_slow(estimated)
    assert not check.is_fast(estimated)
    assert not check.is_fast(estimated // 2 + 1)
    assert check.is_fast(estimated // 2)
    check.mark_slow(1)
    assert check.is_fast(LEAST_FAST_BYTES)
    assert not check.is_fast(LEAST_FAST_BYTES + 1)
    monkeypatch.setattr(schema_checks, "SLOW_FOR_SECONDS", 0.0)
    check.mark_slow(1)
    assert check.is_fast(estimated)
    assert not check.is_fast(estimated + 1)


def test_a_check_in_this_process_is_charged_and_once_there_is_no_time_left_made_elsewhere(plan, check, monkeypatch):
    estimated = check.fast_bytes
    assert plan.find_violations("list", {"a": [1]}, estimated) is None
    assert check.is_fast(estimated)
    # From here on every check is over its budget, and uses it up.
    for module in (budgets, plans):
        monkeypatch.setattr(module, "FREE_SECONDS", 0.0)
    monkeypatch.setattr(budgets, "SCHEMA_SECONDS", 1e-9)
    assert plan.find_violations("list", {}, estimated).version == 1
    for size in (estimated, estimated + 1):
        with pytest.raises(UncheckedError):
            plan.find_violations("list", {}, size)
    assert plan.find_violations("list", {}, LEAST_FAST_BYTES).version == 1


def test_a_machine_that_stands_still_sets_no_schema_aside(plan, check):
    plan._charge("list", check, 100, took=1000.0)
    assert not plan.slow.is_set_aside("shop", check)
