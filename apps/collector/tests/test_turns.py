"""Sources take turns at slow checks; what happens to an event that gets no turn in time."""

import json
from datetime import UTC, datetime

import pytest
from sites import make_source

from event_tracker.collector.authentication import SourceCache
from event_tracker.collector.parsing.parser import Parser
from event_tracker.collector.post_event import split_body
from event_tracker.collector.rejections.replay import Replayer
from event_tracker.collector.tracking_plan import slow_checks
from event_tracker.collector.tracking_plan.plans import TrackingPlan
from event_tracker.collector.tracking_plan.slow_checks import SlowChecks
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import open_pool
from event_tracker.model.event_schemas import set_schema
from event_tracker.model.schema_checks import Check
from event_tracker.model.storing.store_events import EventStore

LONG = 1000.0
"""Seconds; no test waits as long."""

PARSER = Parser(max_event_bytes=65_536, max_body_bytes=1_000_000, earliest=datetime(2000, 1, 1, tzinfo=UTC))

SCHEMA = {"properties": {"a": {"items": {"anyOf": [{"type": "integer"}] * 30}}}}
BAD = json.dumps({"user_id": "ann", "event_type": "list", "properties": {"a": [*[1] * 10_000, "x"]}}).encode()
"""Larger than what is checked in the collector's own process."""

GOOD = json.dumps({"user_id": "ann", "event_type": "view"}).encode()


@pytest.fixture
def busy(monkeypatch):
    """Slow checks whose time is all taken by others."""
    monkeypatch.setattr(slow_checks, "QUEUE_SECONDS", 0.0)
    checks = SlowChecks()
    with checks._limit.take("loud", LONG):
        yield checks
    checks.close()


def test_an_event_that_must_be_checked_is_not_stored_while_others_take_all_the_time(busy):
    plan = TrackingPlan("shop", enforced=True, find_check={"list": Check(1, SCHEMA)}.get, slow=busy)
    with pytest.raises(Problem) as raised:
        PARSER.read(split_body(BAD, 1), source="shop", plan=plan)
    assert (raised.value.status, raised.value.code) == (503, "checks_busy")
    assert raised.value.headers["Retry-After"] == "1"


def test_where_violations_are_only_flagged_it_is_stored_unchecked_then(busy):
    plan = TrackingPlan("shop", enforced=False, find_check={"list": Check(1, SCHEMA)}.get, slow=busy)
    parsed = PARSER.read(split_body(BAD, 1), source="shop", plan=plan)
    assert [[warning.code for warning in row.warnings] for row in parsed.rows] == [["schema_set_aside"]]
    assert [warning.code for warning in parsed.warnings] == ["schema_set_aside"]


@pytest.fixture
def replays(owner, postgres, database):
    """A Replayer whose greenlet doesn't run, and its slow checks."""
    make_source(owner, "shop", [])
    set_schema(owner, "shop", "list", SCHEMA)
    owner.execute("update sources set schema_mode = 'enforce' where name = 'shop'")
    pool = open_pool(postgres.url(database, "collector"), name="test", size=4, timeout=60, options={}, watched=False)
    catalog = SourceCache(pool)
    replays = Replayer(pool, catalog, PARSER, EventStore(print))
    replays.close()
    yield replays, catalog._plans.slow
    catalog.close()
    pool.close()


def test_a_replay_leaves_an_event_for_later_while_others_take_all_the_time(replays, owner, monkeypatch):
    for payload in (GOOD, BAD):
        owner.execute(
            "insert into rejections (id, source, received_at, reason, detail, payload, is_whole, replay_requested_at) "
            "values (uuidv7(), 'shop', now(), 'wrong_type', '[]', %s, true, now())",
            [payload],
        )
    monkeypatch.setattr(slow_checks, "QUEUE_SECONDS", 0.0)
    with replays[1]._limit.take("loud", LONG):
        assert replays[0]._replay_some() == 1
    waiting = "select payload from rejections where replay_requested_at is not null"
    assert owner.execute(waiting).fetchall() == [(BAD,)]
    assert owner.execute("select event_type from events").fetchall() == [("view",)]
    monkeypatch.undo()
    assert replays[0]._replay_some() == 1
    assert owner.execute("select reason from rejections").fetchall() == [("schema_violation",)]
