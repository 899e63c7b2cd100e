"""Filters of GET /events, POST /events/search, the export and live events."""

import json
from typing import Any

import psycopg
import pytest
import requests
from listener import listening
from waiting import wait_until

from event_tracker.query.events.event_pages import NIL, Position
from event_tracker.query.events.parameters import EventQuery
from event_tracker.query.events.store import SESSION_SETTINGS, build_statement
from event_tracker.query.filters.grammar import Condition, Property
from event_tracker.query.parameter_types import EARLIEST, LATEST

EVENTS = [
    {"event_type": "a", "properties": {"plan": "pro", "amount": 20, "tags": ["red", 5], "cart": {"items": 3, "note": "x"}}},
    {"event_type": "b", "properties": {"plan": "professional", "amount": "19.99", "tags": "red and blue"}},
    {"event_type": "c", "session_id": "s-1", "properties": {"plan": "", "amount": "much", "cart": {"items": "12.0"}}},
    {"event_type": "d", "source": "shop", "properties": {"plan": None, "amount": -1e20, "a.b": {"c:d": True}}},
]  # fmt: skip

CASES = [
    ("event_type:is:a", "a"),
    ("event_type:one_of:a,c,x", "ac"),
    ("event_type:gte:c", "cd"),
    ("session_id:set", "c"),
    ("source:is_not:shop", "abc"),
    ("property.plan:is:pro", "a"),
    ("property.plan:is_not:pro", "bcd"),
    ("property.plan:starts_with:pro", "ab"),
    ("property.plan:contains:ess", "b"),
    ("property.plan:not_contains:pro", "cd"),
    ("property.plan:set", "abc"),
    ("property.plan:not_set", "d"),
    ("property.amount:is:20.0", "a"),
    ("property.amount:gt:19.99", "a"),
    ("property.amount:gte:19.990", "ab"),
    ("property.amount:lt:0", "d"),
    ("property.amount:gt:a", "c"),
    ("property.tags:contains:red", "ab"),
    ("property.tags:contains:5.0", "a"),
    ("property.cart.items:gt:3", "c"),
    ("property.cart.items:one_of:3,12", "ac"),
    (r"property.a\.b.c\:d:is:true", "d"),
    ("received_at:gt:2020-01-01T00:00:00Z", "abcd"),
    ("timestamp:gt:2026-03-01T10:01:00Z", "cd"),
    ('{"or": [{"field": "event_type", "operator": "is", "value": "a"}, {"field": "property.amount", "operator": "lt", "value": 0}]}', "ad"),
]  # fmt: skip

SPRING = {"from": "2026-02-28T00:00:00Z", "to": "2026-03-02T00:00:00Z"}


def types_in(answer: requests.Response) -> str:
    assert answer.status_code == 200, answer.text
    return "".join(sorted(event["event_type"] for event in answer.json()["events"]))


@pytest.fixture
def stored(store, minutes):
    return store({**event, "timestamp": minutes(number)} for number, event in enumerate(EVENTS))


@pytest.fixture
def search(shared_query):
    """search({...}, user_id="ann"): POST /events/search."""

    def search(document: Any, **parameters: Any) -> requests.Response:
        return requests.post(
            f"{shared_query.url}/events/search", params=parameters, json={"filter": document}, timeout=30
        )

    return search


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_a_filter_selects_events(get, stored, text, expected):
    assert types_in(get("/events", user_id="ann", filter=text)) == expected
    assert types_in(get("/events", filter=text, **SPRING)) == expected
    exported = get("/events/export", filter=text).text.splitlines()
    assert "".join(sorted(json.loads(line)["event_type"] for line in exported)) == expected


def test_filters_and_the_other_parameters_must_all_match(get, stored):
    assert types_in(get("/events", user_id="ann", filter=["property.plan:set", "property.amount:gt:0"])) == "ab"
    assert types_in(get("/events", user_id="ann", filter="property.plan:set", event_type=["b", "c"])) == "bc"
    assert types_in(get("/events", user_id="ann", filter="property.plan:set", **{"property.amount": "20"})) == "a"
    assert types_in(get("/events", user_id="bob", filter="property.plan:set")) == ""
    assert types_in(get("/events", user_id="ann", filter="source:is:shop", source="default")) == ""


def test_a_search_is_a_list_with_the_filter_in_its_body(get, search, stored):
    some = {"or": [{"field": "event_type", "operator": "one_of", "value": ["a", "b"]}, {"field": "source", "operator": "is", "value": "shop"}]}  # fmt: skip
    for parameters in ({"user_id": "ann"}, SPRING, {"user_id": "ann", "event_type": "b"}):
        answer = search(some, **parameters)
        assert answer.json() == get("/events", filter=json.dumps(some), **parameters).json()
        assert types_in(answer) == ("b" if "event_type" in parameters else "abd")


@pytest.mark.parametrize("parameters", [{"user_id": "ann"}, SPRING], ids=["one user", "everybody"])
def test_pages_go_on_with_the_same_filter_alone(get, search, stored, parameters):
    some: Any = {"field": "property.plan", "operator": "set"}
    first = search(some, limit=1, **parameters)
    assert types_in(first) == "c"
    cursor = first.json()["next_cursor"]
    assert types_in(search(some, limit=5, cursor=cursor, **parameters)) == "ab"
    assert types_in(get("/events", limit=5, cursor=cursor, filter="property.plan:set", **parameters)) == "ab"
    exported = get("/events/export", cursor=cursor, filter="property.plan:set", **parameters).text
    assert [json.loads(line)["event_type"] for line in exported.splitlines()] == ["b", "a"]
    for answer in (
        search({**some, "operator": "not_set"}, cursor=cursor, **parameters),
        get("/events", cursor=cursor, **parameters),
    ):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["code"] == "other_filters"


def test_mistakes_in_a_body_are_listed(shared_query, search):
    mistaken = {"and": [{"field": "x", "operator": "is", "value": "a"}, {"field": "user_id", "operator": "?"}]}
    answer = search(mistaken)
    assert answer.status_code == 422
    assert [(error["parameter"], error["code"]) for error in answer.json()["errors"]] == [
        ("filter.and.0.field", "unknown_field"),
        ("filter.and.1.operator", "invalid_choice"),
    ]
    url = f"{shared_query.url}/events/search"
    assert requests.post(url, data=b"{", headers={"Content-Type": "application/json"}, timeout=30).status_code == 400
    assert requests.post(url, data=b"{}", headers={"Content-Type": "text/plain"}, timeout=30).status_code == 415
    assert requests.post(url, json={"filter": {}, "x": "y" * 65_536}, timeout=30).status_code == 413
    missing = requests.post(url, json={}, timeout=30)
    assert missing.json()["errors"] == [{"parameter": "filter", "code": "required", "detail": "Must be given."}]


def test_live_events_are_filtered(shared_query, store):
    either = json.dumps({"or": [{"field": "property.n", "operator": "gt", "value": 2}, {"field": "user_id", "operator": "is", "value": "bob"}]})  # fmt: skip
    with (
        listening(shared_query, filter=either) as some,
        listening(shared_query, filter=["property.n:gt:1", "property.n:lt:3.0"]) as two,
        listening(shared_query) as everything,
    ):
        store({"properties": {"n": n}, "user_id": "bob" if n == 1 else "ann"} for n in range(5))
        wait_until(lambda: len(everything.received) == 5 and len(some.received) == 3 and two.received)
        assert (sorted(some.numbers()), two.numbers()) == ([1, 3, 4], [2])


def test_numbers_that_no_type_holds_are_no_error(get, store, minutes):
    """PostgreSQL's numeric has 16,383 digits after the point."""
    store({"event_type": str(n), "timestamp": minutes(n), "properties": {"n": text}} for n, text in enumerate(["9" * 60_000, "0." + "1" * 60_000, "-" + "9" * 60_000]))  # fmt: skip
    assert types_in(get("/events", user_id="ann", filter="property.n:gt:1")) == "0"
    assert types_in(get("/events", user_id="ann", filter="property.n:gt:-1")) == "01"
    assert types_in(get("/events", user_id="ann", filter="property.n:lt:-1e5")) == ""
    assert types_in(get("/events", user_id="ann", filter="property.n:lt:-100000.5")) == "2"


def test_a_page_of_a_user_is_read_from_the_primary_key(postgres, shared_database, stored):
    """Whatever the filter: it reads the newest events of the user, and doesn't sort."""
    part = Condition(Property(("cart", "items")), "gt", ("3",))
    asked = EventQuery("ann", (), None, (), part, None, EARLIEST, LATEST, 50, Position.before(LATEST), b"")
    statement, parameters = build_statement("list_events", asked)
    place = {"start": EARLIEST, "after_timestamp": LATEST, "after_user_id": "", "after_received_at": EARLIEST, "after_event_id": NIL, "rows": 51}  # fmt: skip
    options = " ".join(f"-c {name}={value}" for name, value in SESSION_SETTINGS.items())
    with psycopg.connect(postgres.url(shared_database, "query"), options=options) as connection:
        lines = connection.execute(b"explain (costs off) " + statement, {**parameters, **place}).fetchall()
    plan = "\n".join(line for (line,) in lines)
    assert "Index Scan Backward using" in plan
    assert "Seq Scan" not in plan
    assert "Bitmap" not in plan
    conditions = [line for (line,) in lines if "Index Cond" in line]
    assert conditions
    assert all("user_id = " in line for line in conditions)


def test_a_statement_has_no_text_of_a_filter():
    texts = ("'; drop table events; --", "x", "%(a)s", "{0}")
    for test in ("is", "contains", "starts_with", "gt"):
        part = Condition(Property(("secret'key", "x")), test, texts[: 4 if test == "is" else 1])
        asked = EventQuery(None, (), None, (), part, None, EARLIEST, LATEST, 50, Position.before(LATEST), b"")
        statement, parameters = build_statement("list_events", asked)
        assert b"drop" not in statement
        assert b"secret" not in statement
        assert "secret'key" in parameters.values()
