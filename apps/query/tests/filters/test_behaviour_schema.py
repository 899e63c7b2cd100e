"""Reading filters about sessions and users: each mistake is listed with the part that is wrong."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from event_tracker.core.http.errors import Problem
from event_tracker.query.filters.behaviour_schema import BehaviourFilterSchema
from event_tracker.query.filters.grammar import (
    Condition,
    Count,
    Edge,
    EventField,
    Filter,
    Group,
    SessionCondition,
    UserCondition,
)
from event_tracker.query.filters.matches import EventValues, matches
from event_tracker.query.filters.postgres import compile_postgres
from event_tracker.query.filters.schema import FilterMember, FilterParameters
from event_tracker.query.parameters import ParameterSchema, QueryStringReader
from event_tracker.query.request_body import read_json


class QuerySchema(ParameterSchema):
    filter = FilterParameters(BehaviourFilterSchema)


class BodySchema(ParameterSchema):
    filter = FilterMember("A filter.", schema=BehaviourFilterSchema)


class EventsSchema(ParameterSchema):
    filter = FilterMember("A filter.")


def in_body(document: Any) -> Any:
    return read_json(BodySchema(), json.dumps({"filter": document}).encode())["filter"]


def refused(document: Any, schema: type[ParameterSchema] = BodySchema) -> list[tuple[str, str]]:
    with pytest.raises(Problem) as raised:
        read_json(schema(), json.dumps({"filter": document}).encode())
    assert raised.value.status == 422
    return [(error.parameter, error.code) for error in raised.value.extra["errors"]]


A = {"field": "event_type", "operator": "is", "value": "a"}
IS_A = Condition(EventField("event_type"), "is", ("a",))
MARCH, APRIL = "2026-03-01T00:00:00Z", "2026-04-01T02:00:00+02:00"

FORMS: list[tuple[dict[str, Any], Filter]] = [
    ({"session": {"entry": A}}, SessionCondition(Edge("entry", IS_A))),
    ({"session": {"exit": {"or": [A]}, "among": A}}, SessionCondition(Edge("exit", Group("or", (IS_A,)), IS_A))),
    ({"session": {"did": A}}, SessionCondition(Count(IS_A, 1))),
    ({"session": {"did_not": A}}, SessionCondition(Count(IS_A, 0, 0))),
    ({"session": {"at_least": 2}}, SessionCondition(Count(None, 2))),
    ({"user": {"did": A, "at_most": 3}}, UserCondition(Count(IS_A, 0, 3))),
    (
        {"user": {"did": A, "at_least": 2, "at_most": 2, "from": MARCH, "to": APRIL}},
        UserCondition(Count(IS_A, 2, 2), datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)),
    ),
    ({"user": {"did_not": A, "from": MARCH}}, UserCondition(Count(IS_A, 0, 0), datetime(2026, 3, 1, tzinfo=UTC))),
    (
        {"or": [A, {"and": [{"session": {"did": A}}, A]}]},
        Group("or", (IS_A, Group("and", (SessionCondition(Count(IS_A, 1)), IS_A)))),
    ),
]


@pytest.mark.parametrize(("document", "expected"), FORMS, ids=[str(document)[:60] for document, _ in FORMS])
def test_filters_are_read(document: dict[str, Any], expected: Filter) -> None:
    assert in_body(document) == expected
    query = urlencode({"filter": json.dumps(document)})
    assert QueryStringReader(QuerySchema).read(query)["filter"] == expected


def deep(depth: int) -> dict[str, Any]:
    return {"or": [deep(depth - 1)]} if depth else {"session": {"entry": A}}


MISTAKES: list[tuple[Any, list[tuple[str, str]]]] = [
    ({"session": None}, [("filter.session", "invalid_value")]),
    ({"session": []}, [("filter.session", "invalid_value")]),
    ({"session": {}}, [("filter.session", "invalid_filter")]),
    ({"user": {}}, [("filter.user", "invalid_filter")]),
    ({"user": {"from": MARCH}}, [("filter.user", "invalid_filter")]),
    ({"session": {"entry": A}, "user": {"did": A}}, [("filter", "invalid_filter")]),
    ({"session": {"entry": A}, **A}, [("filter", "invalid_filter")]),
    ({"session": {"entry": A, "exit": A}}, [("filter.session", "invalid_filter")]),
    ({"session": {"entry": A, "at_least": 1}}, [("filter.session", "invalid_filter")]),
    ({"session": {"among": A}}, [("filter.session", "invalid_filter")]),
    ({"session": {"did": A, "did_not": A}}, [("filter.session", "invalid_filter")]),
    ({"session": {"did_not": A, "at_most": 1}}, [("filter.session", "invalid_filter")]),
    ({"session": {"did": A, "from": MARCH}}, [("filter.session.from", "unknown_parameter")]),
    ({"user": {"entry": A}}, [("filter.user.entry", "unknown_parameter")]),
    ({"user": {"did": {**A, "operator": "?"}, "at_least": 0}}, [("filter.user.did.operator", "invalid_choice"), ("filter.user.at_least", "invalid_integer")]),
    ({"user": {"at_least": 3, "at_most": 2}}, [("filter.user.at_most", "invalid_number")]),
    ({"user": {"did": A, "from": "2026-03-01"}}, [("filter.user.from", "invalid_timestamp")]),
    ({"user": {"did": A, "from": APRIL, "to": MARCH}}, [("filter.user.from", "reversed_range")]),
    ({"and": [A, {"session": {"did": {"or": [A, {"user": {"did": A}}]}}}]}, [("filter.and.1.session.did.or.1.user", "events_only")]),
    ({"user": {"did": {"session": {"at_least": 2}}}}, [("filter.user.did.session", "events_only")]),
    (deep(5), [("filter", "too_deep")]),
    ({"or": [{"session": {"did": {"or": [A] * 24}}}, {"user": {"did": {"or": [A] * 24}}}]}, [("filter", "too_many")]),
]  # fmt: skip


@pytest.mark.parametrize(("document", "errors"), MISTAKES, ids=[str(document)[:60] for document, _ in MISTAKES])
def test_mistakes_are_listed(document: Any, errors: list[tuple[str, str]]) -> None:
    assert refused(document) == errors


def test_the_deepest_filter_is_read() -> None:
    assert isinstance(in_body(deep(4)), Group)


@pytest.mark.parametrize("about", ["session", "user"])
def test_a_filter_of_events_is_about_events_alone(about: str) -> None:
    assert refused({"and": [A, {about: {"did": A}}]}, EventsSchema) == [(f"filter.and.1.{about}", "events_only")]


@pytest.mark.parametrize("part", [SessionCondition(Count(None, 2)), UserCondition(Count(None, 2))])
def test_what_knows_events_alone_never_answers(part: Filter) -> None:
    with pytest.raises(TypeError):
        compile_postgres(Group("and", (IS_A, part)))
    with pytest.raises(TypeError):
        matches(EventValues(None), Group("and", (part,)))  # type: ignore[arg-type]
