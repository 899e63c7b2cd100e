"""Events are checked against their source's schemas: by mode, with pointers, by the newest version, on every collector."""

import json

import psycopg
import pytest
import requests
from waiting import eventually

from event_tracker.core.secrets.keys import make_key
from event_tracker.model.event_schemas import set_schema

AMOUNT = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}}


@pytest.fixture
def shop(owner):
    """A source with one key; the key."""
    owner.execute("insert into sources (name) values ('shop')")
    new = make_key("wk")
    owner.execute("insert into write_keys (prefix, source, hash) values (%s, 'shop', %s)", [new.prefix, new.hash])
    return new.key


@pytest.fixture
def plan(owner, shop):
    """Sets the mode of the source shop and the schema of its purchases."""

    def set_plan(mode=None, schema=None, event_type="purchase"):
        if schema is not None:
            set_schema(owner, "shop", event_type, schema)
        if mode:
            owner.execute("update sources set schema_mode = %s where name = 'shop'", [mode])

    return set_plan


def purchase(**properties):
    return {"user_id": "ann", "event_type": "purchase", "properties": properties}


def post(collector, key, events, parameters=""):
    return requests.post(
        f"{collector.url}/events{parameters}", json=events, headers={"X-Write-Key": key} if key else {}, timeout=30
    )


def status(collector, key, event):
    """The answer to a dry run of an event."""
    return post(collector, key, event, "?dry_run=true").status_code


def enforced(collector, key):
    return eventually(lambda: status(collector, key, purchase()) == 422)


def warned(collector, key):
    return eventually(lambda: "warnings" in post(collector, key, purchase(), "?dry_run=true").json())


def stored(owner):
    return owner.execute("select event_type, violations from events order by received_at, event_id").fetchall()


def metric(collector, name):
    lines = requests.get(f"{collector.url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def test_off_looks_at_no_schema(collector, owner, plan, shop):
    plan("off", AMOUNT)
    answer = post(collector, shop, purchase(amount="ten"))
    assert (answer.status_code, set(answer.json())) == (201, {"event_id", "timestamp", "status"})
    assert stored(owner) == [("purchase", None)]


def test_warn_stores_flags_tells_and_counts(collector, owner, plan, shop):
    plan("warn", AMOUNT)
    assert warned(collector, shop)
    answer = post(collector, shop, purchase(amount="ten"))
    assert answer.status_code == 201
    assert answer.json()["status"] == "stored"
    told = {
        "index": 0,
        "pointer": "/properties/amount",
        "code": "schema_violation",
        "detail": 'It is not of type "number".',
    }
    assert answer.json()["warnings"] == [{**told, "schema_version": 1}]
    flag = {"schema_version": 1, "errors": [{"pointer": "/amount", "detail": 'It is not of type "number".'}]}
    assert stored(owner) == [("purchase", flag)]
    assert metric(collector, "collector_events_flagged_total") == 1
    text = requests.get(f"{collector.url}/metrics", timeout=30).text
    assert "shop" not in text, "whoever reaches the port can read it, and what sources there are is nobody's but theirs"
    assert metric(collector, "collector_events_rejected_by_code_total") == 0


def test_warn_tells_of_a_batch_which_events_it_means(collector, owner, plan, shop):
    plan("warn", AMOUNT)
    assert warned(collector, shop)
    answer = post(collector, shop, [purchase(amount=1), purchase(), {"user_id": 7}, purchase(amount=None)])
    assert answer.status_code == 207
    told = answer.json()
    assert (told["stored"], told["rejected"]) == (3, 1)
    assert [(warning["index"], warning["pointer"]) for warning in told["warnings"]] == [
        (1, "/1/properties/amount"),
        (3, "/3/properties/amount"),
    ]
    assert {error["index"] for error in told["errors"]} == {2}
    assert [bool(flag) for _, flag in stored(owner)] == [False, True, True]


def test_enforce_refuses_one_event_with_pointers_and_version(collector, owner, plan, shop):
    plan("enforce", AMOUNT)
    assert enforced(collector, shop)
    answer = post(collector, shop, purchase(amount="ten"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_events")
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"], error["schema_version"]) == ("/properties/amount", "schema_violation", 1)
    assert post(collector, shop, purchase(amount=10)).status_code == 201
    assert stored(owner) == [("purchase", None)]
    assert metric(collector, 'collector_events_rejected_by_code_total{code="schema_violation"}') == 1


def test_enforce_stores_the_others_of_a_batch(collector, owner, plan, shop):
    plan("enforce", AMOUNT)
    assert enforced(collector, shop)
    answer = post(
        collector, shop, [purchase(amount=1), purchase(), purchase(amount=2), {"user_id": "ann", "event_type": "view"}]
    )
    assert answer.status_code == 207
    assert [(error["index"], error["pointer"], error["detail"]) for error in answer.json()["errors"]] == [
        (1, "/1/properties/amount", "Is missing.")
    ]
    assert [kind for kind, _ in stored(owner)] == ["purchase", "purchase", "view"]


def test_each_body_form_is_held_to_the_schema(collector, owner, plan, shop):
    plan("enforce", AMOUNT)
    assert enforced(collector, shop)
    lines = "\n".join(map(json.dumps, [purchase(amount=1), purchase()]))
    headers = {"X-Write-Key": shop, "Content-Type": "application/x-ndjson"}
    assert requests.post(f"{collector.url}/events", data=lines, headers=headers, timeout=30).status_code == 207
    headers["Content-Type"] = "text/plain"
    body = json.dumps(
        [purchase(amount=1), purchase(), {**purchase(amount=1), "session_id": "\ud800"}]
    )  # read leniently
    answer = requests.post(f"{collector.url}/events", data=body, headers=headers, timeout=30)
    assert [(error["index"], error["code"]) for error in answer.json()["errors"]] == [
        (1, "schema_violation"),
        (2, "lone_surrogate"),
    ]
    assert len(stored(owner)) == 2


def test_an_event_without_properties_is_held_to_the_schema_too(collector, plan, shop):
    plan("enforce", AMOUNT)
    assert enforced(collector, shop)
    assert post(collector, shop, {"user_id": "ann", "event_type": "purchase"}).status_code == 422


def test_extra_properties_are_allowed_unless_the_schema_says_otherwise(collector, plan, shop):
    plan("enforce", AMOUNT)
    assert enforced(collector, shop)
    assert post(collector, shop, purchase(amount=1, colour="red")).status_code == 201
    plan(schema={**AMOUNT, "additionalProperties": False})
    assert eventually(lambda: status(collector, shop, purchase(amount=1, colour="red")) == 422)
    (error,) = post(collector, shop, purchase(amount=1, colour="red")).json()["errors"]
    assert (error["pointer"], error["schema_version"]) == ("/properties/colour", 2)


def test_an_event_type_without_a_schema_passes(collector, plan, shop):
    plan("enforce", AMOUNT)
    assert enforced(collector, shop)
    assert (
        post(collector, shop, {"user_id": "ann", "event_type": "view", "properties": {"amount": "x"}}).status_code
        == 201
    )


def test_another_source_is_not_held_to_it(collector, plan, shop):
    plan("enforce", AMOUNT)
    assert enforced(collector, shop)
    assert post(collector, None, purchase(amount="x")).status_code == 201


def test_events_without_a_key_are_held_to_the_schemas_of_the_default_source(start_service, postgres, database, owner):
    set_schema(owner, "default", "purchase", AMOUNT)
    owner.execute("update sources set schema_mode = 'enforce' where name = 'default'")
    service = start_service("collector", DATABASE_URL=postgres.url(database, "collector"))
    assert post(service, None, purchase()).status_code == 422  # from the first request on


def test_the_newest_version_counts_and_a_mode_can_be_taken_back(collector, plan, shop):
    plan("enforce", AMOUNT)
    assert enforced(collector, shop)
    plan(schema={"properties": {"amount": {"type": ["number", "string"]}}})
    assert eventually(lambda: status(collector, shop, purchase(amount="ten")) == 200)
    plan(schema=AMOUNT)
    assert eventually(lambda: status(collector, shop, purchase(amount="ten")) == 422)
    (error,) = post(collector, shop, purchase(amount="ten")).json()["errors"]
    assert error["schema_version"] == 3
    plan("off")
    assert eventually(lambda: status(collector, shop, purchase(amount="ten")) == 200)


def test_two_collectors_notice_a_schema_within_seconds(start_service, postgres, database, plan, shop):
    collectors = [start_service("collector", DATABASE_URL=postgres.url(database, "collector")) for _ in range(2)]
    for one in collectors:
        assert post(one, shop, purchase(amount="ten")).status_code == 201
    plan("enforce", AMOUNT)
    assert all(enforced(one, shop) for one in collectors)


def test_a_schema_that_was_written_past_the_rules_refuses_nothing(collector, owner, plan, shop):
    plan("enforce", AMOUNT)
    broken = json.dumps({"$ref": "https://example.com/schema"})
    owner.execute(
        "insert into event_schemas (source, event_type, version, schema) values ('shop', 'view', 1, %s)", [broken]
    )
    assert enforced(collector, shop)
    assert post(collector, shop, {"user_id": "ann", "event_type": "view"}).status_code == 201
    assert eventually(lambda: "a schema can't be used" in collector.log.read_text())


def test_schemas_stay_when_the_database_goes(start_service, own_postgres):
    url = own_postgres.url("events")
    with psycopg.connect(url, autocommit=True) as connection:
        set_schema(connection, "default", "purchase", AMOUNT)
        connection.execute("update sources set schema_mode = 'enforce' where name = 'default'")
    service = start_service("collector", DATABASE_URL=own_postgres.url("events", "collector"))
    assert post(service, None, purchase()).status_code == 422
    own_postgres.stop("immediate")
    assert post(service, None, purchase()).status_code == 422
    assert post(service, None, purchase(amount=1)).status_code == 503


def test_a_resent_event_is_flagged_as_it_was_stored(collector, owner, plan, shop):
    event = {**purchase(), "event_id": "5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11", "timestamp": "2026-03-01T10:00:00Z"}
    assert post(collector, shop, event).status_code == 201
    plan("warn", AMOUNT)
    assert warned(collector, shop)
    answer = post(collector, shop, event)
    assert (answer.status_code, answer.json()["status"]) == (200, "duplicate")
    assert answer.json()["warnings"]
    assert stored(owner) == [("purchase", None)]


def test_flags_of_one_group_stand_at_their_events(collector, owner, plan, shop):
    plan("warn", {"properties": {"amount": {"maximum": 0}}})
    assert eventually(lambda: "warnings" in post(collector, shop, purchase(amount=1), "?dry_run=true").json())
    events = [{**purchase(amount=number % 3), "user_id": f"u{number:03}"} for number in range(90)]
    assert post(collector, shop, events).status_code == 200
    rows = owner.execute("select (properties->>'amount')::int, violations is not null from events").fetchall()
    assert len(rows) == 90
    assert all(flagged == (amount > 0) for amount, flagged in rows)
