"""Schemas are compiled when they are used, and kept as long as memory allows."""

import json
import re
from pathlib import Path

import psutil
import pytest
import requests
from sites import make_source

from event_tracker.collector.tracking_plan import budgets, check_cache
from event_tracker.collector.tracking_plan.check_cache import CheckCache, StoredSchema
from event_tracker.collector.tracking_plan.lru import LruCache
from event_tracker.collector.tracking_plan.slow_checks import SlowChecks, UncheckedError

LARGE = 60
"""Schemas, of 2.4 MiB each when they are compiled."""


def large_schema(number):
    """One of those that are within the rules and take most memory."""
    return {
        "enum": [f"{entry:06}{number}" for entry in range(4000)],
        "properties": {f"p{number}_{i}": {"pattern": f"^[a-z]{{1,3}}{number}-{i}"} for i in range(200)},
    }


def most_held_by(service):
    """Bytes of memory that a collector's worker had at most."""
    (worker,) = (
        one
        for one in psutil.Process(service.process.pid).children()
        if "event_tracker.collector.tracking_plan.checker" not in one.cmdline()
    )
    status = Path(f"/proc/{worker.pid}/status").read_text()
    return 1024 * int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[1])


def test_large_schemas_of_one_source_cost_bounded_memory(start_service, postgres, database, owner):
    key = make_source(owner, "shop", [])
    for number in range(LARGE):
        owner.execute(
            "insert into event_schemas (source, event_type, version, schema) values ('shop', %s, 1, %s)",
            [f"type{number}", json.dumps(large_schema(number))],
        )
    owner.execute("update sources set schema_mode = 'enforce' where name = 'shop'")
    collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"))
    before = most_held_by(collector)
    for number in range(LARGE):
        answer = requests.post(
            f"{collector.url}/events",
            json={"user_id": "ann", "event_type": f"type{number}"},
            headers={"X-Write-Key": key},
            timeout=100,
        )
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "schema_violation")
    assert most_held_by(collector) - before < 80 * 1024 * 1024


def test_who_has_most_gives_way():
    kept = LruCache(10)
    assert kept.use("shop", 1, 4) == []
    assert kept.use("blog", 2, 3) == []
    assert kept.use("shop", 3, 2) == []
    assert kept.use("shop", 1, 4) == []
    assert kept.use("blog", 4, 2) == [3]
    assert kept.use("blog", 5, 5) == [2, 4]
    assert [number for number in range(6) if number in kept] == [1, 5]
    assert kept.use("club", 6, 100) == [5, 1]
    assert 6 in kept
    kept.drop(6)
    assert kept.use("club", 7, 10) == []


@pytest.fixture
def slow():
    checks = SlowChecks()
    yield checks
    checks.close()


def test_a_source_whose_schemas_are_compiled_over_and_over_pays_for_it(slow, monkeypatch):
    monkeypatch.setattr(check_cache, "MAX_BYTES", 1)
    monkeypatch.setattr(budgets, "FREE_SECONDS", 0.0)
    monkeypatch.setattr(budgets, "SOURCE_SECONDS", 1e-9)
    schemas = [StoredSchema("shop", name, 1, '{"required": ["a"]}') for name in ("view", "buy")]
    checks = CheckCache(slow)
    first = [checks.find_check(schema) for schema in schemas]
    assert [check.number for check in first] == [schema.number for schema in schemas]
    assert checks.find_check(schemas[1]) is first[1]
    again = checks.find_check(schemas[0])
    assert again is not first[0]
    assert again.number == first[0].number
    with pytest.raises(UncheckedError):
        checks.find_check(schemas[1])
    assert checks.find_check(schemas[0]) is again
    assert checks.find_check(StoredSchema("blog", "view", 1, "{}")) is not None


def test_what_no_longer_counts_is_not_kept(slow):
    checks = CheckCache(slow)
    stored = StoredSchema("shop", "view", 1, "{}")
    check = checks.find_check(stored)
    checks.forget(stored)
    assert checks.find_check(stored) is not check


def test_the_process_for_slow_checks_forgets_what_gives_way(slow, monkeypatch):
    monkeypatch.setattr(check_cache, "MAX_BYTES", 1)
    slow._known = LruCache(1)
    check, other = (
        CheckCache(slow).find_check(StoredSchema("shop", name, 1, f'{{"required": ["{name}"]}}')) for name in ("a", "b")
    )
    for one, name in ((check, "a"), (other, "b"), (check, "a")):
        assert [violation.pointer for violation in slow.find("shop", "view", one, {})] == [f"/{name}"]
        assert one.number in slow._known
    assert other.number not in slow._known
