"""POST /stats/NAME: the question of GET /stats/NAME with its parameters in a JSON body."""

from typing import Any

import pytest
import requests

DAYS = {"from": "2026-03-01", "to": "2026-03-02", "tz": "Europe/Paris"}
RANGE = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}
SELECTED = {**DAYS, "event_type": ["a", "b"], "source": ["web", "app"], "property": {"plan": "pro", "n": "1.0"}}
FIRST = {"field": "user_id", "operator": "is", "value": "u0"}
PRO = {"field": "property.plan", "operator": "is", "value": "pro"}

QUESTIONS: dict[str, dict[str, Any]] = {
    "top-types": {"limit": 2, "source": ["web"], **RANGE},
    "timeseries": {**SELECTED, "interval": "hour", "metric": "sessions", "breakdown": "property:plan", "limit": 3},
    "users": {**SELECTED, "interval": "week"},
    "sessions": {**SELECTED, "gap": 60, "longest": 600, "by": "property:plan", "limit": 1},
    "top-properties": {**SELECTED, "key": "plan", "limit": 1},
    "retention": {**SELECTED, "period": "day"},
    "paths": {**SELECTED, "start": "a", "direction": "previous", "depth": 2, "by": "event_type"},
    "web": {**SELECTED, "interval": "hour", "gap": 60, "longest": 600},
    "web/top": {**SELECTED, "by": "host", "limit": 2, "offset": 1, "gap": 60, "longest": 600},
}


@pytest.fixture
def post(shared_query, shared_owner):
    """post("sessions", {...}): POST /stats/sessions."""

    def post(name: str, body: Any, **given: Any) -> requests.Response:
        return requests.post(f"{shared_query.url}/stats/{name}", **{"json": body, "timeout": 30, **given})

    return post


@pytest.fixture
def stored(store, minutes):
    return store(
        {
            "user_id": f"u{number % 3}",
            "event_type": "abc"[number % 4 % 3],
            "source": ("web", "app", "till")[number % 7 % 3],
            "timestamp": minutes(number * 3),
            "properties": {"plan": ("pro", "free")[number % 5 // 4], "n": 1},
        }
        for number in range(60)
    )


def answer_of(response: requests.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    del body["as_of"]
    return body


def in_query(body: dict[str, Any]) -> dict[str, Any]:
    """The same parameters as a query string has them."""
    properties = {f"property.{name}": value for name, value in body.get("property", {}).items()}
    return {**{name: value for name, value in body.items() if name != "property"}, **properties}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_body_is_answered_as_a_query_string(get, post, stored, name):
    body = QUESTIONS[name]
    expected = answer_of(get(f"/stats/{name}", **in_query(body)))
    assert answer_of(post(name, body)) == expected
    assert (
        answer_of(post(name, {key: str(value) if key == "limit" else value for key, value in body.items()})) == expected
    )
    assert answer_of(post(name, {**body, "source": ["nowhere"]})) != expected


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_filter_of_a_body_is_that_of_a_query_string(get, post, stored, name):
    body = {key: value for key, value in QUESTIONS[name].items() if key != "property"}
    filtered = answer_of(get(f"/stats/{name}", filter="user_id:is:u0", **in_query(body)))
    assert answer_of(post(name, {**body, "filter": FIRST})) == filtered
    assert answer_of(post(name, body)) != filtered


def test_types_of_a_filter_are_counted_as_all_types_are(get, post, store, minutes):
    store({"event_type": name, "timestamp": minutes(n)} for n, name in enumerate(["b", "a", "é", "B", "z", "z"]))
    every = {"field": "event_type", "operator": "set"}
    for bounds in ({}, RANGE, {"from": minutes(1).isoformat()}, {"to": minutes(4).isoformat(), "limit": 1}):
        expected = answer_of(get("/stats/top-types", **bounds))
        assert answer_of(post("top-types", bounds)) == expected
        assert answer_of(post("top-types", {**bounds, "filter": every})) == expected
    nothing = answer_of(get("/stats/top-types", filter="event_type:is:nothing"))
    assert (nothing["items"], nothing["total"]) == ([], 0)


def test_the_types_of_a_question_without_a_filter_are_counted_already(post, store, minutes, shared_owner):
    """They also count events that were deleted because of their age."""
    store([{"timestamp": minutes(0)}])
    shared_owner.execute("delete from events")
    every = {"field": "event_type", "operator": "set"}
    totals = [answer_of(post("top-types", body))["total"] for body in ({}, {"filter": every})]
    assert totals == [1, 0]


MISTAKES: list[tuple[str, Any, list[tuple[str, str]]]] = [
    ("sessions", [], [("body", "invalid_value")]),
    ("sessions", {"sources": ["web"]}, [("sources", "unknown_parameter")]),
    ("sessions", {"source": "web"}, [("source", "invalid_value")]),
    ("sessions", {"source": ["web", 5]}, [("source.1", "invalid_value")]),
    ("sessions", {"event_type": ["a"] * 51}, [("event_type", "too_many")]),
    ("sessions", {"property": ["a"]}, [("property", "invalid_value")]),
    ("sessions", {"property": {"a": 1, "": "x"}}, [("property", "length"), ("property.a", "invalid_value")]),
    ("sessions", {"from": 5, "to": "2026-02-30"}, [("from", "invalid_timestamp"), ("to", "invalid_timestamp")]),
    ("sessions", {"tz": ["UTC"]}, [("tz", "unknown_time_zone")]),
    ("sessions", {"limit": True}, [("limit", "invalid_integer")]),
    ("sessions", {"limit": 10.0}, [("limit", "invalid_integer")]),
    ("sessions", {"limit": 0, "gap": [1]}, [("gap", "invalid_integer"), ("limit", "limit_out_of_range")]),
    ("sessions", {"by": 5}, [("by", "invalid_choice")]),
    ("sessions", {"explain": True}, [("explain", "explain_not_allowed")]),
    ("sessions", {"explain": 1}, [("explain", "invalid_choice")]),
    ("timeseries", {"interval": ["day"], "metric": None}, [("interval", "invalid_choice"), ("metric", "invalid_value")]),
    ("top-properties", {}, [("key", "required")]),
    ("top-properties", {"key": 5}, [("key", "invalid_value")]),
    ("top-types", {"from": 5}, [("from", "invalid_timestamp")]),
    ("paths", {"filter": {"and": [PRO, {"or": [PRO, {**PRO, "operator": "like"}]}]}}, [("filter.and.1.or.1.operator", "invalid_choice")]),
    ("paths", {"filter": [PRO]}, [("filter", "invalid_value")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "body", "errors"), MISTAKES, ids=[f"{name} {body}"[:50] for name, body, _ in MISTAKES]
)
def test_mistakes_in_a_body_are_named(post, name, body, errors):
    answer = post(name, body)
    assert answer.status_code == 422, answer.text
    assert sorted((error["parameter"], error["code"]) for error in answer.json()["errors"]) == errors


@pytest.mark.parametrize("name", QUESTIONS)
def test_beside_a_body_the_query_string_has_no_parameters(post, name):
    answer = post(name, {"key": "plan"} if name == "top-properties" else {}, params={"source": "web"})
    assert answer.status_code == 422, answer.text
    assert [(error["parameter"], error["code"]) for error in answer.json()["errors"]] == [
        ("source", "unknown_parameter")
    ]


def test_a_body_is_small_and_json(post):
    large = {"filter": {"or": [{**PRO, "operator": "one_of", "value": ["x" * 3000] * 25}]}}
    assert post("sessions", large).status_code == 413
    assert post("sessions", None, data="{").status_code == 415
    assert post("sessions", None, data="{", headers={"Content-Type": "application/json"}).status_code == 400
    assert post("sessions", {}).status_code == 200
