"""The rules of filters, over HTTP. That PostgreSQL, DuckDB and Python agree on them is tested in tests/filters."""

from typing import Any

import pytest
import requests


@pytest.fixture
def select(get, store):
    """select(values, "is:1"): the values of the property `p` of the events that `property.p:is:1` selects; ABSENT is no property."""

    def select(values: list[Any], *conditions: str, path: str = "p") -> list[list[Any]]:
        store({"event_type": str(number), "properties": {} if value is ABSENT else {"p": value}} for number, value in enumerate(values))  # fmt: skip
        selected = []
        for condition in conditions:
            answer = get("/events", user_id="ann", filter=f"property.{path}:{condition}")
            assert answer.status_code == 200, answer.text
            numbers = sorted(int(event["event_type"]) for event in answer.json()["events"])
            selected.append([values[number] for number in numbers])
        return selected

    return select


ABSENT = object()


def test_what_is_negated_selects_all_other_events(select):
    values = ["x", "xy", 1, None, ABSENT, ["x"]]
    found = select(values, "is:x", "is_not:x", "contains:x", "not_contains:x", "set", "not_set")
    assert found[0::2] == [["x"], ["x", "xy", ["x"]], ["x", "xy", 1, ["x"]]]
    for positive, negative in zip(found[0::2], found[1::2], strict=True):
        assert negative == [value for value in values if value not in positive]


def test_a_property_that_is_null_is_not_set(select):
    assert select([None, ABSENT, "", "null", False, 0, [], {}], "not_set", "is:null", "is:") == [
        [None, ABSENT],
        ["null"],
        [""],
    ]


def test_upper_and_lower_case_differ(select):
    assert select(["a", "A", "é", "É"], "is:a", "contains:É", "starts_with:A") == [["a"], ["É"], ["A"]]


def test_numbers_are_ordered_as_numbers_and_texts_as_texts(select):
    values = [9, "10", 10.5, "-3", "-0", "0", "1e5", "b", "B", "", "2026-03-01", True]
    assert select(values, "gt:9", "gte:9.0", "lt:0", "gt:2026-01", "lt:B", "lte:-3") == [
        ["10", 10.5],
        [9, "10", 10.5],
        ["-3", "-0"],
        ["b", "B", "2026-03-01", True],
        ["1e5", "", "2026-03-01"],
        ["-3"],
    ]


def test_an_array_contains_its_elements(select):
    values = [["red", 5, None], ["dark red"], [["red"]], "red and blue", [{"a": "red"}], [5.50], []]
    assert select(values, "contains:red", "contains:5.0", "contains:5.5", "contains:null") == [
        [["red", 5, None], "red and blue"],
        [["red", 5, None]],
        [[5.5]],
        [],
    ]


def test_of_a_number_the_shortest_spelling_is_searched(select):
    values = [20.5, "20.50", "20.00", 200, "v20.00"]
    assert select(values, "starts_with:20", "contains:.", "contains:0.0") == [
        [20.5, "20.50", "20.00", 200],
        [20.5, "20.50", "v20.00"],
        ["v20.00"],
    ]


def test_a_path_leads_through_objects_alone(select):
    values = [{"a": {"b": "x"}}, {"a.b": "x"}, [{"b": "x"}], '{"a": {"b": "x"}}', {"a": [{"b": "x"}]}]
    assert select(values, "is:x", path="p.a.b") == [[{"a": {"b": "x"}}]]


def test_a_dot_in_a_name_is_escaped(select):
    values = [{"a": {"b": "x"}}, {"a.b": "x"}]
    assert select(values, "is:x", path=r"p.a\.b") == [[{"a.b": "x"}]]


def test_below_a_property_objects_and_arrays_have_no_text(select):
    values: list[Any] = [{"a": {}}, {"a": []}, {"a": "{}"}, {"a": ["x"]}, {"a": None}]
    found = select(values, "is:{}", "starts_with:", "is_not:{}", "set", "contains:x", path="p.a")
    assert found[0:2] == [[{"a": "{}"}], [{"a": "{}"}]]
    assert found[2] == [value for value in values if value != {"a": "{}"}]
    assert found[3] == values[:4]
    assert found[4] == [{"a": ["x"]}]


def test_times_are_compared_as_times(get, store, minutes):
    store({"event_type": str(number), "timestamp": minutes(number)} for number in range(3))
    answer = get("/events", user_id="ann", filter="timestamp:gt:2026-03-01T11:00:00+01:00")
    assert [event["event_type"] for event in answer.json()["events"]] == ["2", "1"]


ASKED = ["timeseries", "users", "sessions", "top-properties", "retention", "paths"]


@pytest.mark.parametrize("path", [*(f"/stats/{name}" for name in ASKED), "/events/users"])
def test_what_is_wrong_with_a_filter_of_statistics_is_named(get, path):
    wrong = '{"or": [{"field": "event_type", "operator": "set"}, {"field": "property.a", "operator": "gt"}]}'
    given = {"key": "a"} if path == "/stats/top-properties" else {}
    answer = get(path, filter=["event_type:is:view", wrong], **given)
    assert answer.status_code == 422, answer.text
    assert [(error["parameter"], error["code"]) for error in answer.json()["errors"]] == [
        ("filter.1.or.1.value", "invalid_value")
    ]


def test_what_is_wrong_with_a_filter_of_a_funnel_is_named(shared_query):
    wrong = {"or": [{"field": "event_type", "operator": "set"}, {"field": "property.a", "operator": "gt"}]}
    step = {"event_type": "view"}
    body = {"filter": {"field": "x", "operator": "set"}, "steps": [step, {**step, "filter": wrong}]}
    answer = requests.post(f"{shared_query.url}/stats/funnel", json=body, timeout=30)
    assert answer.status_code == 422, answer.text
    assert sorted((error["parameter"], error["code"]) for error in answer.json()["errors"]) == [
        ("filter.field", "unknown_field"),
        ("steps.1.filter.or.1.value", "invalid_value"),
    ]
