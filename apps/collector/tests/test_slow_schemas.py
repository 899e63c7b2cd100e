"""A slow schema delays nobody: checks have a budget, and a schema over its budget is set aside."""

import json
import random
import resource
import signal
import time
from datetime import timedelta

import psutil
import psycopg
import pytest
import requests
from attacks import answers_meanwhile
from sites import make_source
from waiting import eventually

from event_tracker.collector.tracking_plan.budgets import WINDOW_SECONDS
from event_tracker.collector.tracking_plan.checker import LIMITS, PROCESSOR_SECONDS
from event_tracker.collector.tracking_plan.set_aside import SetAsideSchemas
from event_tracker.model.event_schemas import list_schemas, set_schema
from event_tracker.model.schema_rules import InvalidSchemaError

letters = random.Random(1)
TEXT = "".join(letters.choice("ab") for _ in range(60_000))

SLOW = {
    "contains and unevaluatedItems": (
        {"allOf": [{"minContains": 0, "contains": {"const": i + 100}} for i in range(230)], "unevaluatedItems": {"const": 1}},
        [1] * 30_000,
        18,
    ),
    "a pattern that grows": ({"pattern": "(a|b)*a(a|b){454}[cd]"}, TEXT, 55),
    "another pattern that grows": ({"pattern": "[ab]*a[ab]{800}c"}, TEXT, 30),
}  # fmt: skip


@pytest.fixture
def shop(owner):
    return make_source(owner, "shop", [])


@pytest.fixture
def control(postgres, database):
    """A connection of the query service, as it answers /admin."""
    with psycopg.connect(postgres.url(database, "control"), autocommit=True) as connection:
        yield connection


def write_schema(owner, schema, event_type="slow", source="shop"):
    """Write a schema directly to the table, as an earlier release with other rules might have."""
    owner.execute(
        "insert into event_schemas (source, event_type, version, schema) values (%s, %s, 1, %s)",
        [source, event_type, json.dumps(schema)],
    )
    owner.execute("update sources set schema_mode = 'enforce' where name = %s", [source])


def post(collector, key, events, parameters=""):
    headers = {"Content-Type": "application/json", **({"X-Write-Key": key} if key else {})}
    body = json.dumps(events, separators=(",", ":"))
    return requests.post(f"{collector.url}/events{parameters}", data=body, headers=headers, timeout=100)


def checker_of(collector):
    """The process that makes slow checks."""
    for process in psutil.Process(collector.process.pid).children(recursive=True):
        if "event_tracker.collector.tracking_plan.checker" in process.cmdline():
            return process
    return None


def metric(collector, name):
    lines = requests.get(f"{collector.url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_schema_is_refused_when_it_is_set(owner, shop, name):
    with pytest.raises(InvalidSchemaError, match=r"places at once|`contains` within"):
        set_schema(owner, "shop", "slow", {"properties": {"a": SLOW[name][0]}})


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("parameters", ["", "?dry_run=true"])
def test_a_slow_schema_holds_up_nobody_and_is_set_aside(collector, owner, shop, name, parameters):
    schema, value, number = SLOW[name]
    write_schema(owner, {"properties": {"a": schema}})
    event = {"user_id": "ann", "event_type": "slow", "properties": {"a": value}}
    assert eventually(lambda: checker_of(collector))
    told = []

    def attack():
        answer = post(collector, shop, [event] * number, parameters)
        told.extend({error["code"] for error in answer.json()["warnings"]})

    answers_meanwhile(collector.url, attack)
    assert told == ["schema_set_aside"]
    assert post(collector, None, {"user_id": "bob", "event_type": "view"}).status_code == 201
    assert eventually(lambda: "a schema is set aside" in collector.log.read_text())
    assert metric(collector, "collector_schemas_set_aside_total") >= 1


def test_who_lists_schemas_sees_which_are_set_aside_and_until_when(collector, owner, control, shop):
    def until(event_type):
        return {one.event_type: one.set_aside_until for one in list_schemas(control, ["shop"])}[event_type]

    schema, value, number = SLOW["contains and unevaluatedItems"]
    write_schema(owner, {"properties": {"a": schema}})
    write_schema(owner, {}, "quick")
    event = {"user_id": "ann", "event_type": "slow", "properties": {"a": value}}
    assert eventually(lambda: checker_of(collector))
    assert until("slow") is None
    answer = post(collector, shop, [event] * number)
    assert {warning["code"] for warning in answer.json()["warnings"]} == {"schema_set_aside"}
    assert eventually(lambda: until("slow"))
    first, now = until("slow"), control.execute("select now()").fetchone()[0]
    assert timedelta(0) < first - now <= timedelta(seconds=WINDOW_SECONDS)
    written = owner.execute("select xmin from schemas_set_aside").fetchall()
    assert post(collector, shop, [event] * number).status_code == 200
    time.sleep(2.5)
    assert owner.execute("select xmin from schemas_set_aside").fetchall() == written, "a schema is told once a minute"
    assert until("quick") is None
    set_schema(control, "shop", "slow", {})
    assert until("slow") is None


def test_what_could_not_be_told_is_told_later_and_nothing_twice(monkeypatch):
    told, is_away = [], True

    def execute(_pool, _statement, given):
        if is_away:
            raise psycopg.OperationalError
        told.append(list(zip(given["sources"], given["versions"], map(round, given["seconds"]), strict=True)))

    monkeypatch.setattr("event_tracker.collector.tracking_plan.set_aside.execute", execute)
    aside, until = SetAsideSchemas(), time.monotonic() + 50
    aside.add("shop", "slow", 1, until)
    with pytest.raises(psycopg.OperationalError):
        aside.save(None)
    is_away = False
    aside.save(None)
    aside.add("shop", "slow", 1, until)
    aside.save(None)
    aside.add("shop", "slow", 1, until + 60)
    aside.add("app", "slow", 2, until)
    aside.save(None)
    assert told == [[("shop", 1, 50)], [("shop", 1, 110), ("app", 2, 50)]]


def test_others_events_are_stored_meanwhile(collector, owner, shop):
    schema, value, number = SLOW["contains and unevaluatedItems"]
    for kind in range(4):
        write_schema(owner, {"properties": {"a": schema}}, f"slow{kind}")
    event = {"user_id": "ann", "properties": {"a": value}}
    assert eventually(lambda: checker_of(collector))
    statuses = []

    def attack():
        post(collector, shop, [{**event, "event_type": f"slow{index % 4}"} for index in range(number)])

    def send():
        statuses.append(requests.post(
            f"{collector.url}/events", json={"user_id": "bob", "event_type": "view"}, timeout=8
        ).status_code)  # fmt: skip

    answers_meanwhile(collector.url, attack, threads=3, meanwhile=send)
    assert set(statuses) == {201}


def test_no_source_makes_events_of_another_go_unchecked(collector, owner, shop):
    """Each check of the loud source is aborted, and many wait. The quiet source has to send again at worst."""
    schema, value, _ = SLOW["another pattern that grows"]
    for kind in range(8):
        write_schema(owner, {"properties": {"a": {"allOf": [schema] * 20}}}, f"slow{kind}")
    quiet = make_source(owner, "quiet", [])
    write_schema(owner, {"properties": {"a": {"items": {"anyOf": [{"type": "integer"}] * 30}}}}, source="quiet")
    bad = {"user_id": "ann", "event_type": "slow", "properties": {"a": [*[1] * 10_000, "x"]}}
    assert eventually(lambda: post(collector, quiet, bad).status_code == 422)
    event = {"user_id": "ann", "properties": {"a": value}}
    kinds = iter(range(8))
    statuses = []

    def attack():
        post(collector, shop, {**event, "event_type": f"slow{next(kinds)}"})

    def send():
        statuses.append(post(collector, quiet, bad).status_code)

    answers_meanwhile(collector.url, attack, threads=8, meanwhile=send)
    assert set(statuses) <= {422, 503}
    assert eventually(lambda: post(collector, quiet, bad).status_code == 422)
    assert owner.execute("select count(*) from events where source = 'quiet'").fetchone() == (0,)


def test_a_schema_that_is_set_aside_leaves_the_others_and_small_events_alone(collector, owner, shop):
    schema, value, number = SLOW["contains and unevaluatedItems"]
    write_schema(owner, {"properties": {"a": {"anyOf": [{"type": "string"}, {**schema, "type": "array"}]}}})
    write_schema(owner, {"required": ["amount"]}, "purchase")
    event = {"user_id": "ann", "event_type": "slow", "properties": {"a": value}}
    assert eventually(
        lambda: post(collector, shop, {"user_id": "ann", "event_type": "purchase"}, "?dry_run=true").status_code == 422
    )
    answer = post(collector, shop, [event] * number)
    assert answer.json()["warnings"][-1]["code"] == "schema_set_aside"
    assert metric(collector, "collector_events_unchecked_total") >= 1
    assert metric(collector, "collector_events_flagged_total") == 0
    assert owner.execute("select count(*) from events where violations is not null").fetchone() == (0,)
    assert post(collector, shop, {"user_id": "ann", "event_type": "purchase"}).status_code == 422
    assert post(collector, shop, {**event, "properties": {"a": 7}}).status_code == 422


def test_large_events_of_an_ordinary_schema_are_checked_elsewhere_and_all_of_them(collector, owner, shop):
    write_schema(owner, {"properties": {"a": {"items": {"anyOf": [{"type": "integer"}] * 30}}}})
    assert eventually(lambda: checker_of(collector))
    good = {"user_id": "ann", "event_type": "slow", "properties": {"a": [1] * 25_000}}
    bad = {**good, "properties": {"a": [*[1] * 25_000, "x"]}}
    answer = post(collector, shop, [good, bad] * 20)
    assert (answer.status_code, answer.json()["stored"]) == (207, 20)
    errors = answer.json()["errors"]
    assert [error["pointer"] for error in errors] == [f"/{index}/properties/a/25000" for index in range(1, 40, 2)]


def test_the_process_for_slow_checks_is_started_again_and_ends_with_the_collector(collector, owner, shop):
    write_schema(owner, {"properties": {"a": {"items": {"anyOf": [{"type": "integer"}] * 30}}}})
    first = eventually(lambda: checker_of(collector))
    first.send_signal(signal.SIGKILL)
    bad = {"user_id": "ann", "event_type": "slow", "properties": {"a": [*[1] * 25_000, "x"]}}
    assert eventually(lambda: post(collector, shop, bad, "?dry_run=true").status_code == 422, 100)
    second = checker_of(collector)
    assert {which: second.rlimit(which) for which in LIMITS} == {which: (most, most) for which, most in LIMITS.items()}
    assert second.rlimit(resource.RLIMIT_CPU)[0] <= sum(second.cpu_times()[:2]) + PROCESSOR_SECONDS + 1
    assert second.pid != first.pid
    assert not second.environ()
    collector.stop()
    assert eventually(lambda: not second.is_running())
