"""Filters as texts, as JSON, and as the bar shows them."""

import json

import pytest

from event_tracker.dashboard.filters import grammar
from event_tracker.dashboard.filters.grammar import Condition

CONDITIONS = {
    "event_type:is:purchase": (Condition("event_type", "is", ("purchase",)), "Event type is purchase"),
    "property.plan:not_set": (Condition("property.plan", "not_set"), "plan isn't set"),
    r"property.a\.b\:c.d:is:x:y": (Condition(r"property.a\.b\:c.d", "is", ("x:y",)), "a.b:c → d is x:y"),
    r"property.page:one_of:/,a\,b,c\\": (Condition("property.page", "one_of", ("/", "a,b", "c\\")), "page is one of /, a,b, c\\"),
    "property.coupon:is:": (Condition("property.coupon", "is", ("",)), "coupon is “”"),
    "timestamp:gte:2026-03-01T00:00:00Z": (Condition("timestamp", "gte", ("2026-03-01T00:00:00Z",)), "Time is at least 2026-03-01T00:00:00Z"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "condition", "shown"), [(text, *rest) for text, rest in CONDITIONS.items()], ids=CONDITIONS
)
def test_a_condition_is_read_written_and_shown(text, condition, shown):
    assert grammar.parse(text) == condition
    assert condition.short == text
    assert str(condition) == shown
    assert grammar.parse(json.dumps(condition.document)) == condition


@pytest.mark.parametrize(
    "text", ["page", "page:is", "page:set:x", "page:like:x", "{", '{"and": []}', '{"field": "property.n", "operator": "gt", "value": 5}', "{}", "[]", ""]
)  # fmt: skip
def test_other_texts_are_left_as_they_are(text):
    assert grammar.parse(text) == text


def test_alternatives_are_one_group():
    conditions = [grammar.equals("source", "a"), grammar.equals("property.plan", 'say "ü"')]
    (text,) = grammar.write(conditions, any_matches=True)
    assert grammar.read_alternatives([text]) == conditions
    assert grammar.write(conditions) == ["source:is:a", 'property.plan:is:say "ü"']
    for others in (
        [],
        [text, text],
        ["source:is:a"],
        ['{"or": []}'],
        ['{"or": [{"and": []}]}'],
        ['{"or": [], "x": 1}'],
        ["{"],
        ['{"or": 1}'],
    ):
        assert grammar.read_alternatives(others) is None
    # A group can't be one of several alternatives here.
    assert grammar.write([text, conditions[0]], any_matches=True) == [text, "source:is:a"]


def test_a_document_has_them_all():
    group = '{"or": [{"field": "source", "operator": "set"}]}'
    assert grammar.as_document(["source:is:a", group]) == {
        "and": [grammar.equals("source", "a").document, json.loads(group)]
    }
    assert grammar.as_document([]) is None


@pytest.mark.parametrize("name", ["plan", "a.b", "a:b", "\\", "it's", "ü", "."])
def test_a_name_becomes_a_field_and_again_a_name(name):
    field = grammar.property_field(name)
    assert grammar.property_name(field) == grammar.name_field(field) == name
    assert grammar.as_field(name) == grammar.as_field(field) == field


@pytest.mark.parametrize(("edge", "shown"), [("entry", "Entry: page is /a, ü"), ("exit", "Exit: page is /a, ü")])
def test_a_filter_of_sessions_is_a_part_and_has_words(edge, shown):
    text = grammar.make_edge(edge, grammar.equals("property.page", "/a, ü"))
    assert grammar.parse(text) == text
    assert grammar.write([text]) == [text]
    assert grammar.describe(text) == shown
    assert json.loads(text)["session"].keys() == {edge, "among"}


@pytest.mark.parametrize(
    "text",
    [
        '{"session": {"entry": {"field": "property.page", "operator": "set"}}}',
        '{"session": {"did": {"field": "property.page", "operator": "set"}, "among": {"field": "event_type", "operator": "is", "value": "page_view"}}}',
        '{"session": {"entry": {"field": "property.page", "operator": "set"}, "among": {"field": "event_type", "operator": "is", "value": "x"}}}',
        '{"session": 1}', '{"and": []}', "{", "page", "[]", "1",
    ],
)  # fmt: skip
def test_other_filters_are_called_by_their_text(text):
    assert grammar.describe(text) == text


def test_filters_of_sessions_and_users_are_told_from_those_of_events():
    edge = grammar.make_edge("entry", grammar.equals("property.page", "/a"))
    user = '{"user": {"did": {"field": "event_type", "operator": "is", "value": "purchase"}}}'
    of_events = [
        "event_type:is:view", "session_id:is:session", '{"or": [{"field": "user_id", "operator": "is", "value": "user"}]}', "{", "[]", "1",
    ]  # fmt: skip
    assert grammar.find_not_of_events([*of_events, edge, user]) == ["Entry: page is /a", user]
    assert grammar.find_not_of_events(of_events) == []


def test_a_condition_has_words():
    assert grammar.describe(grammar.equals("property.page", "/")) == "page is /"
