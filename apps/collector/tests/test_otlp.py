"""OpenTelemetry's logs by OTLP/HTTP: events are stored once, whatever the encoding."""

import gzip
import json
import sys
from uuid import NAMESPACE_URL, uuid5

import captures
import pytest
from hypothesis import given
from hypothesis import strategies as st
from otlp import JSON, PROTOBUF, SPAN, TIME, TRACE, USER, attributes, logs, partial, post, record, text, to_protobuf
from sites import make_source

from event_tracker.collector.protocols.otlp.records import write_canonical, write_double
from event_tracker.model.rejections import list_rejections

NAMESPACE = uuid5(NAMESPACE_URL, "urn:event-tracker:opentelemetry")


@pytest.fixture(scope="module")
def collector(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("logs")) as start:
        yield start("collector", DATABASE_URL=postgres.url(shared_database, "collector"), AUTH="required")


@pytest.fixture
def key(shared_owner):
    return make_source(shared_owner, "shop", [])


def rows(owner):
    return owner.execute(
        "select user_id, event_type, session_id, properties from events order by event_type"
    ).fetchall()


def ids(owner):
    return [str(found) for (found,) in owner.execute("select event_id from events order by event_id").fetchall()]


def test_what_javascript_sent_is_stored_once(collector, shared_owner, key):
    (sent,) = captures.posts("otel_logs")
    for _ in range(2):
        number, message = partial(captures.send(collector.url, sent, key, f"Bearer {key}"))
        assert (number, message) == (1, "1 log records have no event name: they are no events, and aren't stored.")
        assert rows(shared_owner) == [
            ("ann", "order.completed", "s-1", {"order_id": "o-1", "revenue": 20.5, "items": 2, "tags": ["a", "b"]})
        ]
    assert list_rejections(shared_owner) == []


def test_what_python_sent_is_stored_once(collector, shared_owner, key):
    (sent,) = captures.posts("otel_logs_python")
    for _ in range(2):
        answer = captures.send(collector.url, sent, key, f"Bearer {key}")
        assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, b"", PROTOBUF)
        assert rows(shared_owner) == [("ann", "order.completed", None, {"order_id": "o-1", "revenue": 20.5})]


VALUES = {
    **USER,
    "text": text("€"),
    "empty": text(""),
    "yes": {"boolValue": True},
    "no": {"boolValue": False},
    "number": {"intValue": "9007199254740993"},
    "zero": {"intValue": 0},
    "double": {"doubleValue": 2.0},
    "small": {"doubleValue": 1e-7},
    "infinite": {"doubleValue": "-Infinity"},
    "list": {"arrayValue": {"values": [text("a"), {"intValue": 1}, {}]}},
    "none": {"arrayValue": {}},
    "object": {"kvlistValue": {"values": attributes(b=text("1"), a={"kvlistValue": {}})}},
    "bytes": {"bytesValue": "AAE="},
    "nothing": {},
}

STORED = {
    "text": "€",
    "empty": "",
    "yes": True,
    "no": False,
    "number": 9007199254740993,
    "zero": 0,
    "double": 2.0,
    "small": 1e-7,
    "infinite": "-Infinity",
    "list": ["a", 1, None],
    "none": [],
    "object": {"b": "1", "a": {}},
    "bytes": "AAE=",
    "nothing": None,
    "body": "said",
}

FULL = record(
    values=VALUES, body=text("said"), severityNumber=9, severityText="INFO", traceId=TRACE, spanId=SPAN, flags=1
)
"""A record with every kind of value."""

CANONICAL = """\
{"service.name":"shop"}
{"attributes":{},"name":"cart","version":"1"}
{"attributes":{"bytes":"AAE=","double":2.0,"empty":"","infinite":"-Infinity","list":["a",1,null],"no":false,"none":[],"nothing":null,\
"number":9007199254740993,"object":{"a":{},"b":"1"},"small":1e-07,"text":"€","user.id":"ann","yes":true,"zero":0},"body":"said",\
"eventName":"order.completed","flags":1,"severityNumber":9,"severityText":"INFO","spanId":"eee19b7ec3c1b174",\
"timeUnixNano":"1793527200123456789","traceId":"5b8efff798038103d269b633813fc60c"}"""
"""What its id is made of, as docs/clients/opentelemetry.md says."""


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
DOUBLES = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [-0.0, 2.0, 1e-4, 1e-5, 1e15, 1e16, 1e22, sys.float_info.max, 5e-324]
)
VALUES_OF_RECORDS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | DOUBLES | TEXTS,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(TEXTS, values, max_size=4),
    max_leaves=20,
)


def with_written_doubles(value):
    """A value as the readers of both encodings make it."""
    match value:
        case float():
            return write_double(value)
        case list():
            return [with_written_doubles(one) for one in value]
        case dict():
            return {name: with_written_doubles(one) for name, one in value.items()}
    return value


@given(VALUES_OF_RECORDS)
def test_ids_are_made_of_what_python_s_json_writes(value):
    expected = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert write_canonical(with_written_doubles(value)).decode() == expected


def test_both_encodings_are_one_event(collector, shared_owner, key):
    turned = json.loads(json.dumps(FULL))
    turned["attributes"].reverse()
    turned["attributes"][2]["value"]["kvlistValue"]["values"].reverse()
    turned["traceId"] = TRACE.upper()
    turned["timeUnixNano"] = TIME
    numbers = json.dumps(logs(FULL)).replace('"9007199254740993"', "9007199254740993").replace("2.0", "20.0e-1")
    alike = json.dumps(logs(FULL)).replace("AAE=", "AAE").encode()
    twice = {**FULL, "attributes": [{"key": "text", "value": text("old")}, *FULL["attributes"]]}
    later = {**FULL, "observedTimeUnixNano": str(TIME + 5)}
    for body, content_type in [
        (logs(FULL), JSON),
        (to_protobuf(logs(FULL)), PROTOBUF),
        (logs(turned), JSON),
        (to_protobuf(logs(turned)), PROTOBUF),
        (numbers.encode(), JSON),
        (alike, JSON),
        (logs(twice), JSON),
        (to_protobuf(logs(twice)), PROTOBUF),
        (logs(later), "application/json; charset=utf-8"),
        (gzip.compress(to_protobuf(logs(FULL))), PROTOBUF),
    ]:
        assert partial(post(collector, key, body, content_type)) == (0, ""), body
        assert ids(shared_owner) == [str(uuid5(NAMESPACE, CANONICAL))] == ["8a7bdcfc-3a9e-59e8-b05f-7da4a41f0236"], body
    assert rows(shared_owner) == [("ann", "order.completed", None, STORED)]
    (time,) = shared_owner.execute("select timestamp::text from events").fetchone()
    assert time == "2026-11-01 10:00:00.123456+00"


OTHERS = [
    logs(record(), resource={"service__name": text("other")}),
    logs(record(), scope={"name": "cart", "version": "2"}),
    logs(record(timeUnixNano=str(TIME + 1000))),
    logs(record(timeUnixNano=str(TIME + 1))),
    logs(record(values={**USER, "a": {"intValue": "1"}})),
    logs(record(values={**USER, "a": {"doubleValue": 1}})),
    logs(record(values={**USER, "a": text("1")})),
    logs(record(body=text("b"))),
    logs(record(spanId=SPAN)),
    logs(record(severityNumber=9)),
]
"""Requests with records that differ from each other, in one thing each."""


def test_what_differs_is_another_event(collector, shared_owner, key):
    for request in OTHERS:
        assert partial(post(collector, key, request)) == (0, "")
        assert partial(post(collector, key, to_protobuf(request), PROTOBUF)) == (0, "")
    assert len(ids(shared_owner)) == len(OTHERS)


@pytest.mark.parametrize(
    ("values", "event_id"),
    [
        ({"event__id": text("019A3F3E-8a7b-7000-8000-000000000000")}, "019a3f3e-8a7b-7000-8000-000000000000"),
        ({"log__record__uid": text("01ARZ3NDEKTSV4RRFFQ69G5FAV")}, str(uuid5(NAMESPACE, "01ARZ3NDEKTSV4RRFFQ69G5FAV"))),
    ],
)
def test_an_id_that_is_given(collector, shared_owner, key, values, event_id):
    for more in ({}, {"x": text("other")}):
        assert partial(post(collector, key, logs(record(values={**USER, **values, **more})))) == (0, "")
    assert ids(shared_owner) == [event_id]
    assert rows(shared_owner)[0][3] == {}


def test_names_users_sessions_and_bodies(collector, shared_owner, key):
    sent = [
        record(
            eventName=None,
            values={"event__name": text("a"), "enduser__id": text("bob"), "session__id": {"intValue": "7"}},
        ),
        record(
            eventName="b",
            values={"user__id": {"intValue": 7}, "enduser__id": text("eve")},
            timeUnixNano="0",
            observedTimeUnixNano=str(TIME),
        ),
        record(
            eventName="c",
            body={"kvlistValue": {"values": attributes(x=text("body"), y=text("body"))}},
            values={**USER, "x": text("own")},
        ),
        record(eventName="d", body={"arrayValue": {"values": [{"intValue": 1}]}}),
    ]
    assert partial(post(collector, key, logs(*sent))) == (0, "")
    assert rows(shared_owner) == [
        ("bob", "a", "7", {}),
        ("7", "b", None, {"enduser.id": "eve"}),
        ("ann", "c", None, {"x": "own", "y": "body"}),
        ("ann", "d", None, {"body": [1]}),
    ]
