"""Reading filters: the short form and JSON mean the same, and each mistake is listed with the part that is wrong."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from event_tracker.core.http.errors import Problem
from event_tracker.query.filters.grammar import Condition, EventField, Filter, Group, Property
from event_tracker.query.filters.schema import FilterMember, FilterParameters
from event_tracker.query.parameter_types import CODES
from event_tracker.query.parameters import ParameterSchema, QueryStringReader
from event_tracker.query.request_body import read_json


class QuerySchema(ParameterSchema):
    filter = FilterParameters()


class BodySchema(ParameterSchema):
    filter = FilterMember("A filter.")


def in_query(*texts: str) -> Any:
    return QueryStringReader(QuerySchema).read(urlencode([("filter", text) for text in texts]))["filter"]


def in_body(document: Any) -> Any:
    return read_json(BodySchema(), json.dumps({"filter": document}).encode())["filter"]


def refused(read: Any, *given: Any) -> list[tuple[str, str]]:
    with pytest.raises(Problem) as raised:
        read(*given)
    assert raised.value.status == 422
    errors = [(error.parameter, error.code) for error in raised.value.extra["errors"]]
    assert {code for _, code in errors} <= set(CODES)
    return errors


def about(*keys: str) -> Property:
    return Property(keys)


FORMS: list[tuple[str, dict[str, Any], Filter]] = [
    ("event_type:is:view", {"field": "event_type", "operator": "is", "value": "view"}, Condition(EventField("event_type"), "is", ("view",))),
    ("property.plan:is_not:pro", {"field": "property.plan", "operator": "is_not", "value": "pro"}, Condition(about("plan"), "is", ("pro",), negated=True)),
    ("property.plan:set", {"field": "property.plan", "operator": "set"}, Condition(about("plan"), "set", ())),
    ("session_id:not_set", {"field": "session_id", "operator": "not_set"}, Condition(EventField("session_id"), "set", (), negated=True)),
    ("property.cart.items:gte:3", {"field": "property.cart.items", "operator": "gte", "value": 3}, Condition(about("cart", "items"), "gte", ("3",))),
    (r"property.a\.b:contains:x:y", {"field": r"property.a\.b", "operator": "contains", "value": "x:y"}, Condition(about("a.b"), "contains", ("x:y",))),
    (r"property.a\:b\\:is:", {"field": r"property.a:b\\", "operator": "is", "value": ""}, Condition(about("a:b\\"), "is", ("",))),
    (r"property.plan:one_of:pro,a\,b,,\\,pro", {"field": "property.plan", "operator": "one_of", "value": ["pro", "a,b", "", "\\"]}, Condition(about("plan"), "is", ("pro", "a,b", "", "\\"))),
    ("property.on:is:true", {"field": "property.on", "operator": "is", "value": True}, Condition(about("on"), "is", ("true",))),
    ("property.n:lt:0.0000001", {"field": "property.n", "operator": "lt", "value": 1e-7}, Condition(about("n"), "lt", ("0.0000001",))),
    ("timestamp:lt:2026-03-01T10:00:00+01:00", {"field": "timestamp", "operator": "lt", "value": "2026-03-01T09:00:00Z"}, Condition(EventField("timestamp"), "lt", (datetime(2026, 3, 1, 9, tzinfo=UTC),))),
    ("property.t:is:a\nb", {"field": "property.t", "operator": "is", "value": "a\nb"}, Condition(about("t"), "is", ("a\nb",))),
]  # fmt: skip


@pytest.mark.parametrize(("short", "document", "expected"), FORMS, ids=[short for short, _, _ in FORMS])
def test_the_short_form_and_json_mean_the_same(short: str, document: dict[str, Any], expected: Filter) -> None:
    assert in_query(short) == expected
    assert in_query(json.dumps(document)) == expected
    assert in_body(document) == expected


def test_several_must_all_match() -> None:
    both = in_query("event_type:is:a", '{"or": [{"field": "user_id", "operator": "is", "value": "b"}]}')
    first = Condition(EventField("event_type"), "is", ("a",))
    assert both == Group("and", (first, Group("or", (Condition(EventField("user_id"), "is", ("b",)),))))


def test_a_large_number_is_written_out() -> None:
    assert in_body({"field": "property.n", "operator": "is", "value": 10**30}).values == ("1" + "0" * 30,)
    assert in_query('{"field": "property.n", "operator": "is", "value": 1e30}').values == ("1" + "0" * 30,)


A = {"field": "event_type", "operator": "is", "value": "a"}

SHORT_MISTAKES = [
    (["event_type"], [("filter.0", "invalid_filter")]),
    (["event_type:is:a", "x"], [("filter.1", "invalid_filter")]),
    (["{"], [("filter.0", "invalid_filter")]),
    (["{} x"], [("filter.0", "invalid_filter")]),
    (["{}"], [("filter.0", "invalid_filter")]),
    (["nothing:is:a", "event_type:like:a"], [("filter.0.field", "unknown_field"), ("filter.1.operator", "invalid_choice")]),
    (["property:is:a"], [("filter.0.field", "unknown_field")]),
    (["property.:is:a"], [("filter.0.field", "length")]),
    (["property.a..b:is:a"], [("filter.0.field", "length")]),
    ([r"property.a\b:is:a"], [("filter.0.field", "unknown_field")]),
    (["property.a\\"], [("filter.0", "invalid_filter")]),
    (["property.a.b.c.d.e.f:is:a"], [("filter.0.field", "too_deep")]),
    (["property.a\0:is:a"], [("filter.0.field", "nul_character")]),
    (["property.a:set:x"], [("filter.0.value", "invalid_value")]),
    (["property.a:is"], [("filter.0.value", "invalid_value")]),
    (["property.a:gt"], [("filter.0.value", "invalid_value")]),
    (["timestamp:is:2026-03-01T10:00:00Z"], [("filter.0.operator", "unknown_operator")]),
    (["timestamp:gt:yesterday"], [("filter.0.value", "invalid_timestamp")]),
    (["property.a:is:" + "x" * 4001], [("filter.0.value", "length")]),
    (["property.a:one_of:" + "," * 50], [("filter.0.value", "too_many")]),
    (["event_type:is:a"] * 51, [("filter", "too_many")]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "errors"), SHORT_MISTAKES, ids=[str(given)[:40] for given, _ in SHORT_MISTAKES])
def test_mistakes_of_a_query_string_are_listed(given: list[str], errors: list[tuple[str, str]]) -> None:
    assert refused(in_query, *given) == errors


def nested(depth: int) -> dict[str, Any]:
    return {"or": [nested(depth - 1)]} if depth else A


MISTAKES = [
    (None, [("filter", "invalid_value")]),
    ("event_type:is:a", [("filter", "invalid_value")]),
    ([A], [("filter", "invalid_value")]),
    ({}, [("filter", "invalid_filter")]),
    ({"and": []}, [("filter", "invalid_filter")]),
    ({"and": None}, [("filter.and", "invalid_value")]),
    ({"and": A}, [("filter.and", "invalid_value")]),
    ({"and": [A, {"or": [1]}]}, [("filter.and.1.or.0", "invalid_value")]),
    ({"and": [A], "or": [A]}, [("filter", "invalid_filter")]),
    ({"and": [A], "field": "user_id"}, [("filter", "invalid_filter")]),
    ({"field": "user_id"}, [("filter", "invalid_filter")]),
    ({**A, "case": "any"}, [("filter.case", "unknown_parameter")]),
    ({"and": [A, {"or": [A, {**A, "field": "x"}]}, {**A, "operator": "?"}]}, [("filter.and.1.or.1.field", "unknown_field"), ("filter.and.2.operator", "invalid_choice")]),
    ({**A, "field": 5}, [("filter.field", "unknown_field")]),
    ({**A, "operator": ["is"]}, [("filter.operator", "invalid_value")]),
    ({**A, "value": None}, [("filter.value", "invalid_value")]),
    ({**A, "value": {"a": 1}}, [("filter.value", "invalid_value")]),
    ({**A, "value": ["a"]}, [("filter.value", "invalid_value")]),
    ({**A, "operator": "one_of"}, [("filter.value", "invalid_value")]),
    ({**A, "operator": "one_of", "value": []}, [("filter.value", "too_many")]),
    ({**A, "operator": "one_of", "value": [["a"]]}, [("filter.value", "invalid_value")]),
    ({**A, "operator": "one_of", "value": ["a"] * 51}, [("filter.value", "too_many")]),
    ({**A, "value": "a\0"}, [("filter.value", "nul_character")]),
    ({**A, "field": "property.\0"}, [("filter.field", "nul_character")]),
    ({**A, "value": "x" * 4001}, [("filter.value", "length")]),
    ({**A, "value": 10**1001}, [("filter.value", "invalid_number")]),
    ({"field": "timestamp", "operator": "gt", "value": 5}, [("filter.value", "invalid_timestamp")]),
    (nested(6), [("filter", "too_deep")]),
    (nested(400), [("filter", "too_deep")]),
    ({"and": [A] * 50}, [("filter", "too_many")]),
    ({"and": [{"or": [A] * 24}, {"or": [A] * 24}]}, [("filter", "too_many")]),
    ({"and": [{}] * 60}, [("filter", "too_many")]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "errors"), MISTAKES, ids=[str(given)[:60] for given, _ in MISTAKES])
def test_mistakes_of_a_body_are_listed(given: Any, errors: list[tuple[str, str]]) -> None:
    assert refused(in_body, given) == errors


def test_the_largest_filter_is_read() -> None:
    assert len(in_body({"and": [A] * 49}).parts) == 49
    assert isinstance(in_body(nested(5)), Group)
    assert len(in_body({**A, "operator": "one_of", "value": [str(number) for number in range(50)]}).values) == 50


def test_half_a_surrogate_pair_is_no_json() -> None:
    with pytest.raises(Problem) as raised:
        read_json(BodySchema(), rb'{"filter": {"field": "user_id", "operator": "is", "value": "\ud800"}}')
    assert raised.value.status == 400
    assert refused(in_query, r'{"field": "user_id", "operator": "is", "value": "\ud800"}') == [
        ("filter.0", "invalid_filter")
    ]
