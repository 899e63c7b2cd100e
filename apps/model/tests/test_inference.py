"""A proposed schema accepts the events that it was made from, is strict, and is always the same."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_tracker.collector.parsing.enrichment import KINDS
from event_tracker.model.schema_checks import Check
from event_tracker.model.schema_inference import MAX_MEMBERS, infer_schema, propose

TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
    st.sampled_from(["2026-03-01", "2026-03-01T10:00:00Z", "ann@example.com", "10.0.0.1", "https://shop.example/", "a:b"]),
    st.uuids().map(str),
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=15,
)
EVENTS = st.lists(
    st.dictionaries(st.one_of(st.sampled_from("abc"), TEXTS), VALUES, max_size=5), min_size=1, max_size=12
)


def proposed(events):
    """The schema that is proposed for events with these properties."""
    return propose(events).schema


def check_accepts(schema, events):
    check = Check(1, schema)
    assert [check.find(event) for event in events] == [[]] * len(events)


@settings(max_examples=400, deadline=None)
@given(EVENTS)
def test_it_accepts_what_it_was_made_from_in_any_order(events):
    schema = proposed(events)
    check_accepts(schema, events)
    assert json.dumps(proposed(events[::-1])) == json.dumps(schema)


@pytest.mark.parametrize(
    "events",
    [
        [{str(number): number for number in range(MAX_MEMBERS + 1)}],
        [{f"{number:04}" * 200: {f"{inner:04}" * 200: 1 for inner in range(60)} for number in range(80)}],
        [{"a": json.loads('{"b":' * 31 + "1" + "}" * 31)}],
        [{"a": json.loads("[" * 31 + "]" * 31)}],
        [{f"a{a}": {f"b{b}": {f"c{c}": 1 for c in range(10)} for b in range(10)} for a in range(20)}],
        [{"a": 10**300, "b": 1e300, "c": -0.0, "d": 10**4000}],
        [{"a": "x" * 60_000}, {"x" * 60_000: 1}],
        [{}],
    ],
)  # fmt: skip
def test_large_and_odd_events_make_a_schema_that_is_taken(events):
    check_accepts(proposed(events), events)


def test_types_required_words_and_formats_are_found():
    events = [
        {
            "sku": f"ABC-{number}", "amount": 10 if number % 2 else 9.5, "quantity": number, "currency": ["EUR", "USD"][number % 2],
            "at": "2026-03-01T10:00:00Z", "site": "https://shop.example/a", "tags": ["a", 1][: number % 3], "coupon": None if number % 2 else "X",
            "cart": {"id": "5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11", **({"gift": True} if number % 2 else {})}, "kind": "a:b",
        }
        for number in range(40)
    ]  # fmt: skip
    schema = proposed(events)
    assert schema == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "amount": {"type": "number"},
            "at": {"type": "string", "format": "date-time"},
            "cart": {
                "type": "object",
                "properties": {"gift": {"type": "boolean"}, "id": {"type": "string", "format": "uuid"}},
                "required": ["id"],
            },
            "coupon": {"type": ["null", "string"], "enum": ["X", None]},
            "currency": {"type": "string", "enum": ["EUR", "USD"]},
            "kind": {"type": "string", "enum": ["a:b"]},
            "quantity": {"type": "integer"},
            "site": {"type": "string", "format": "uri"},
            "sku": {"type": "string"},
            "tags": {"type": "array", "items": {"type": ["integer", "string"]}},
        },
        "required": ["amount", "at", "cart", "coupon", "currency", "kind", "quantity", "site", "sku", "tags"],
    }


def test_few_events_make_no_list_of_words():
    assert proposed([{"plan": "free"}] * 9)["properties"]["plan"] == {"type": "string"}
    assert proposed([{"plan": "free"}] * 10)["properties"]["plan"] == {"type": "string", "enum": ["free"]}


@pytest.fixture
def store(owner):
    """Stores events of an hour, and their counts."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)

    def store_events(number, *, hours_ago, source="shop", event_type="purchase", properties='{"amount": 1}'):
        at = hour - timedelta(hours=hours_ago)
        values = {"at": at, "n": number, "source": source, "type": event_type, "properties": properties}
        owner.execute(
            "insert into events (user_id, timestamp, event_id, event_type, source, properties)"
            " select 'u' || n, %(at)s::timestamptz + n * interval '1 ms', uuidv7(), %(type)s, %(source)s, %(properties)s from generate_series(1, %(n)s) n",
            values,
        )
        owner.execute("insert into event_counts values (%(at)s, %(type)s, %(source)s, 1, %(n)s)", values)

    return store_events


def test_the_newest_events_of_the_source_and_type_are_the_sample(owner, store):
    store(20, hours_ago=1)
    store(20, hours_ago=2, properties='{"amount": "1"}')
    store(20, hours_ago=3, properties='{"other": 1}')
    store(20, hours_ago=1, source="app", properties='{"foreign": 1}')
    store(20, hours_ago=1, event_type="view", properties='{"foreign": 1}')
    for sample, names, type_ in [
        (10, ["amount"], "integer"),
        (20, ["amount"], "integer"),
        (40, ["amount"], ["integer", "string"]),
    ]:
        proposal = infer_schema(owner, "shop", "purchase", sample)
        assert proposal.events == sample
        assert list(proposal.schema["properties"]) == names
        assert proposal.schema["properties"]["amount"]["type"] == type_
    assert infer_schema(owner, "shop", "purchase").events == 60
    assert infer_schema(owner, "shop", "purchase") == infer_schema(owner, "shop", "purchase")


def test_what_collectors_add_is_not_proposed(owner, store):
    added = {name for text in KINDS.values() for name in re.findall(r"`(\$\w+)`", text)}
    assert added
    store(5, hours_ago=1, properties=json.dumps({"amount": 1, "$mine": 1, **dict.fromkeys(added, "x")}))
    assert set(infer_schema(owner, "shop", "purchase").schema["properties"]) == {"amount", "$mine"}


def test_what_is_older_than_90_days_is_not_looked_at_and_of_nothing_nothing_is_said(owner, store):
    store(5, hours_ago=91 * 24)
    assert infer_schema(owner, "shop", "purchase") is None
    assert infer_schema(owner, "nowhere", "nothing") is None


def test_no_more_is_read_than_may_be(owner, store, monkeypatch):
    monkeypatch.setattr("event_tracker.model.schema_inference.MAX_READ", 100)
    store(10, hours_ago=1)
    store(80, hours_ago=1, event_type="view")
    store(10, hours_ago=2)
    store(80, hours_ago=2, event_type="view")
    assert infer_schema(owner, "shop", "purchase").events == 10


def test_the_properties_that_are_looked_at_have_a_size_together(owner, store, monkeypatch):
    monkeypatch.setattr("event_tracker.model.schema_inference.MAX_BYTES", 10_500)
    store(40, hours_ago=1, properties=json.dumps({"long": "x" * 980}))
    store(40, hours_ago=2)
    assert infer_schema(owner, "shop", "purchase").events == 10
    assert owner.execute("select 1").fetchone() == (1,), "the statement that was left goes on"
