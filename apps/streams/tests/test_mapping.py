"""The mapping file: what it makes of records, and what it says when it is wrong."""

import json
from uuid import UUID, uuid5

import pytest
from tools import ROOT

from event_tracker.streams.importer.mapping import (
    InvalidMappingError,
    UnreadableError,
    describe_unreadable,
    make_mapping,
    read_mapping,
)

ORDER = (
    b'{"id": "o-17", "ms": 1772366400123, "user": {"id": 42}, "items": [{"sku": "a"}, {"sku": "b"}], "price": 19.90}'
)
LEAST = {"user_id": "user.id", "event_type": {"constant": "order"}}


def make_event(mapping, record):
    return json.loads(make_mapping(mapping).make_event(record))


def test_each_kind_of_source(record):
    mapping = {
        **LEAST, "session_id": {"header": "session"},
        "properties": {
            "price": "price", "skus": "items[].sku", "missing": "nowhere.at.all", "plan": {"constant": {"name": "pro"}},
            "key": {"record": "key"}, "topic": {"record": "topic"}, "partition": {"record": "partition"},
            "offset": {"record": "offset"}, "written": {"record": "timestamp"}, "header": {"header": "none"},
        },
    }  # fmt: skip
    headers = [("session", b"first"), ("session", b"last")]
    assert make_event(mapping, record(ORDER, 9, key=b"k\xff", headers=headers)) == {
        "user_id": "42", "event_type": "order", "session_id": "last", "timestamp": "2026-03-01T12:00:00.123000Z",
        "event_id": str(uuid5(UUID("c137848f-697e-46b4-82bd-f2ea25ce0cfe"), "orders\n1\n9")),
        "properties": {
            "price": 19.9, "skus": ["a", "b"], "plan": {"name": "pro"}, "key": "k\ufffd", "topic": "orders", "partition": 1,
            "offset": 9, "written": "2026-03-01T12:00:00.123000Z",
        },
    }  # fmt: skip


def test_ids_never_change(record):
    """They are the identity of events that are stored already."""
    assert make_event(LEAST, record(ORDER, 9))["event_id"] == "740e5013-df9f-54c5-82c1-85e809281fdc"
    hashed = {**LEAST, "event_id": {"path": "id", "hash": True}}
    assert make_event(hashed, record(ORDER, 9))["event_id"] == "cde0ba52-6d4c-5144-ba31-86b87c0e21fa"
    assert make_event(hashed, record(ORDER, 10))["event_id"] == "cde0ba52-6d4c-5144-ba31-86b87c0e21fa"


def test_an_id_or_a_time_that_is_missing_is_that_of_the_record(record):
    mapping = {**LEAST, "event_id": {"path": "none", "hash": True}, "timestamp": "none"}
    event = make_event(mapping, record(ORDER, 3))
    assert event["event_id"] == make_event(LEAST, record(ORDER, 3))["event_id"]
    assert event["timestamp"] == "2026-03-01T12:00:00.123000Z"


@pytest.mark.parametrize(
    ("unit", "number", "expected"),
    [
        ("seconds", 1772366400, "2026-03-01T12:00:00.000000Z"),
        ("seconds", 1772366400.5, "2026-03-01T12:00:00.500000Z"),
        ("milliseconds", 1772366400123, "2026-03-01T12:00:00.123000Z"),
        ("microseconds", 1772366400123456, "2026-03-01T12:00:00.123456Z"),
        ("seconds", 10**30, 10**30),
        ("seconds", -1, -1),
        ("seconds", True, True),
        ("seconds", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
    ],
)
def test_numbers_as_times(record, unit, number, expected):
    """What is no time is left to the collector to refuse."""
    mapping = {**LEAST, "timestamp": {"path": "at", "unit": unit}}
    assert make_event(mapping, record(json.dumps({"at": number}).encode()))["timestamp"] == expected


def test_what_is_missing_is_left_out_and_other_types_stay(record):
    event = make_event({**LEAST, "properties": "all"}, record(b'{"user": {"id": true}}'))
    assert event.keys() == {"user_id", "event_type", "timestamp", "event_id"}
    assert event["user_id"] is True
    event = make_event({**LEAST, "user_id": "length(user)", "properties": "@"}, record(b'{"user": 5}'))
    assert "user_id" not in event  # a function of a value that isn't of its type
    assert event["properties"] == {"user": 5}


def test_half_a_surrogate_pair_has_an_id_too(record):
    mapping = {**LEAST, "event_id": {"header": "id", "hash": True}}
    assert UUID(make_event(mapping, record(ORDER, headers=[("id", b"\xed\xa0\x80")]))["event_id"])


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"1", b"null", b'{"a": 1e999}', b'{"a":"\xff"}', b"[" * 5000])
def test_what_is_no_object_is_unreadable(record, value):
    with pytest.raises(UnreadableError):
        make_mapping(LEAST).make_event(record(value))


def test_an_unreadable_record_is_shown_with_its_place(record):
    shown = json.loads(describe_unreadable(record(b"\xff{" * 10_000, 8), "No."))["unreadable_record"]
    assert {name: shown[name] for name in ("topic", "partition", "offset", "error")} == {
        "topic": "orders", "partition": 1, "offset": 8, "error": "No.",
    }  # fmt: skip
    assert shown["value"].startswith("\ufffd{")
    assert len(shown["value"]) <= 4096


MISTAKES = [
    ({"event_type": "a"}, "user_id: Is missing."),
    ({**LEAST, "userid": "a"}, "userid: Isn't a field of an event."),
    ({**LEAST, "user_id": "a.["}, "user_id: It isn't a JMESPath expression"),
    ({**LEAST, "user_id": ""}, "user_id: It isn't a JMESPath expression"),
    ({**LEAST, "user_id": 1}, "user_id: It must be a path, or a table"),
    ({**LEAST, "user_id": {}}, "user_id: It must have exactly one of path, constant, header, record."),
    ({**LEAST, "user_id": {"path": "a", "constant": 1}}, "user_id: It must have exactly one of"),
    ({**LEAST, "user_id": {"path": "a", "unit": "seconds"}}, "user_id: unit isn't known here"),
    ({**LEAST, "timestamp": {"path": "a", "unit": "days"}}, "timestamp: The unit must be one of seconds,"),
    ({**LEAST, "timestamp": {"path": "a", "unit": ["seconds"]}}, "timestamp: The unit must be one of seconds,"),
    ({**LEAST, "event_id": {"path": "a", "hash": "yes"}}, "event_id: hash must be true or false."),
    ({**LEAST, "user_id": {"header": 1}}, "user_id: The name of a header must be a text."),
    ({**LEAST, "user_id": {"record": "value"}}, "user_id: A record has key, topic, partition, offset, timestamp."),
    ({**LEAST, "user_id": {"record": ["key"]}}, "user_id: A record has key,"),
    ({**LEAST, "properties": 1}, "properties: It must be a table of properties, or the path of an object."),
    ({**LEAST, "properties": {"a b": {"x": 1}}}, "properties.a b: x isn't known here"),
]


@pytest.mark.parametrize(("content", "mistake"), MISTAKES, ids=[mistake for _, mistake in MISTAKES])
def test_a_mistake_is_named_with_its_path(content, mistake):
    with pytest.raises(InvalidMappingError) as raised:
        make_mapping(content)
    assert str(raised.value).startswith(mistake)


def test_all_mistakes_are_named_at_once():
    with pytest.raises(InvalidMappingError) as raised:
        make_mapping({"userid": 1, "user_id": 1, "properties": {"a": 1, "b": 2}})
    assert [line.partition(":")[0] for line in str(raised.value).splitlines()] == [
        "userid", "event_type", "user_id", "properties.a", "properties.b",
    ]  # fmt: skip


def test_a_file_is_read(tmp_path, record):
    file = tmp_path / "mapping.toml"
    file.write_text('user_id = "user.id"\nevent_type = {constant = "order"}\n[properties]\n"a b" = "price"\n')
    assert json.loads(read_mapping(str(file)).make_event(record(ORDER)))["properties"] == {"a b": 19.9}
    file.write_text('user_id = "a"\nevent_type "b"\n')
    with pytest.raises(InvalidMappingError, match="line 2"):
        read_mapping(str(file))
    with pytest.raises(InvalidMappingError, match="No such file"):
        read_mapping(str(tmp_path / "none"))


def test_the_example_of_compose_is_one(record):
    order = b'{"id": "o-1", "customer": {"id": 7}, "created_at": "2026-03-01T12:00:00Z", "total": {"amount": 5, "currency": "EUR"}}'
    event = json.loads(read_mapping(str(ROOT / "infra" / "kafka-import" / "mapping.toml")).make_event(record(order)))
    assert event["user_id"] == "7"
    assert event["properties"] == {"order": "o-1", "amount": 5, "currency": "EUR"}
