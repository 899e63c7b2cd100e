"""POST /events as a table of cases: what is sent, what is answered, what is stored."""

import gzip
import json
import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

import pytest
import requests

NOW = datetime.now(UTC)
ID4 = "5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11"
ID7 = "01932a8b-6a00-7abc-8def-0123456789ab"  # made at 2024-11-14T12:00:00Z
T = "2026-03-01T10:00:00Z"
ANN: dict[str, Any] = {"user_id": "ann", "event_type": "view"}
JSON = "application/json"
NDJSON = "application/x-ndjson"


@dataclass
class Case:
    """One request. `expected` is the answer's body, or what it must contain; `rows` are (user_id, event_type) in order."""

    name: str
    body: Any
    status: int
    expected: dict[str, Any] = field(default_factory=dict)
    rows: list[tuple[str, str]] = field(default_factory=list)
    content_type: str | None = JSON
    headers: dict[str, str] = field(default_factory=dict)
    parameters: str = ""
    errors: list[tuple[int, str, str]] | None = None  # (index, pointer, code)


def batch(received: int, stored: int, duplicates: int = 0, rejected: int = 0) -> dict[str, int]:
    return {"received": received, "stored": stored, "duplicates": duplicates, "rejected": rejected}


def nested(levels: int) -> Any:
    """`properties` with that many levels, itself the first."""
    value: Any = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


STORED = {"status": "stored"}
ONE = [("ann", "view")]

CASES = [
    # one event
    Case("the least event", ANN, 201, STORED, ONE),
    Case("every field", {**ANN, "timestamp": T, "event_id": ID4, "session_id": "s", "properties": {"a": [1, {"b": None}]}}, 201, {"event_id": ID4, "timestamp": T, **STORED}, ONE),
    Case("an offset becomes UTC", {**ANN, "timestamp": "2026-03-01T12:30:00.5+02:30"}, 201, {"timestamp": "2026-03-01T10:00:00.500000Z"}, ONE),
    Case("a leap second is the next one", {**ANN, "timestamp": "2016-12-31T23:59:60Z"}, 201, {"timestamp": "2017-01-01T00:00:00Z", **STORED}, ONE),
    Case("a leap second at another offset, with a fraction", {**ANN, "timestamp": "2017-01-01T05:29:60.25+05:30"}, 201, {"timestamp": "2017-01-01T00:00:00.250000Z"}, ONE),
    Case("the end of a leap second, rounded as every time is", {**ANN, "timestamp": "2015-06-30t18:59:60.9999999-05:00"}, 201, {"timestamp": "2015-07-01T00:00:01Z"}, ONE),
    Case("a leap second among others", [{**ANN, "timestamp": "2016-12-31T23:59:60Z", "event_id": ID4}, {**ANN, "timestamp": "2017-01-01T00:00:00Z", "event_id": ID4}], 200, batch(2, 1, 1), ONE),
    Case("a leap second in an event with characters that are replaced", {**ANN, "timestamp": "2016-12-31T23:59:60Z", "properties": {"timestamp": "\0", "a": "2016-12-31T10:59:60Z"}}, 201, {"timestamp": "2017-01-01T00:00:00Z"}, ONE),
    Case("a UUIDv7 brings its time", {**ANN, "event_id": ID7}, 201, {"event_id": ID7, "timestamp": "2024-11-14T12:00:00Z"}, ONE),
    Case("an old event is welcome", {**ANN, "timestamp": "2000-01-01T01:00:00+01:00"}, 201, STORED, ONE),
    Case("a timestamp a little ahead", {**ANN, "timestamp": (NOW + timedelta(hours=23)).isoformat()}, 201, STORED, ONE),
    Case("texts at their bounds", {"user_id": "u" * 200, "event_type": "é" * 100, "session_id": "😀" * 200}, 201, STORED, [("u" * 200, "é" * 100)]),
    Case("32 levels", {**ANN, "properties": nested(32)}, 201, STORED, ONE),
    Case("a backslash before u0000 is no NUL", b'{"user_id":"ann","event_type":"view","properties":{"a":"\\\\u0000"}}', 201, STORED, ONE),
    Case("a member named twice: the last counts", b'{"user_id":"bob","user_id":"ann","event_type":"view"}', 201, STORED, ONE),
    Case("a charset that is UTF-8", ANN, 201, STORED, ONE, content_type="application/json; charset=UTF-8"),
    Case("text/plain, as sendBeacon sends it", ANN, 201, STORED, ONE, content_type="text/plain;charset=UTF-8"),
    Case("gzip", gzip.compress(json.dumps(ANN).encode()), 201, STORED, ONE, headers={"Content-Encoding": "gzip"}),
    Case("two parameters of the media type, and a semicolon behind them", ANN, 201, STORED, ONE, content_type="application/json; charset=utf-8; profile=x;"),
    Case("parameters of the media type in another order, in capitals and quotes", ANN, 201, STORED, ONE, content_type='Application/JSON ; Profile="a;charset=latin-1" ; CharSet="UTF-8"'),
    Case("latin-1 among other parameters", ANN, 415, {"code": "unsupported_charset"}, content_type="application/json; charset=iso-8859-1; profile=utf-8"),
    Case("latin-1 in quotes", ANN, 415, {"code": "unsupported_charset"}, content_type='application/json; profile=x; charset="iso-8859-1";'),
    Case("a byte order mark", b"\xef\xbb\xbf" + json.dumps(ANN).encode(), 201, STORED, ONE),
    Case("a byte order mark in gzip", gzip.compress(b"\xef\xbb\xbf" + json.dumps(ANN).encode()), 201, STORED, ONE, headers={"Content-Encoding": "gzip"}),
    Case("a byte order mark before an array", b"\xef\xbb\xbf" + json.dumps([ANN]).encode(), 200, batch(1, 1), ONE),
    Case("a byte order mark before NDJSON", b"\xef\xbb\xbf" + json.dumps(ANN).encode() + b"\n", 200, batch(1, 1), ONE, content_type=NDJSON),
    Case("two byte order marks", b"\xef\xbb\xbf" * 2 + json.dumps(ANN).encode(), 400, {"code": "invalid_json"}),
    Case("x-gzip", gzip.compress(json.dumps(ANN).encode()), 201, STORED, ONE, headers={"Content-Encoding": "X-GZip"}),
    Case("null is absent", {**ANN, "timestamp": None, "event_id": None, "session_id": None, "properties": None}, 201, STORED, ONE),
    Case("null beside a UUIDv7 that brings its time", {**ANN, "event_id": ID7, "timestamp": None}, 201, {"event_id": ID7, "timestamp": "2024-11-14T12:00:00Z"}, ONE),
    Case("null beside a UUIDv4 that brings none", {**ANN, "event_id": ID4, "timestamp": None}, 422, errors=[(0, "/event_id", "timestamp_required")]),
    Case("null where a text is required", {"user_id": None, "event_type": None}, 422, errors=[(0, "/user_id", "wrong_type"), (0, "/event_type", "wrong_type")]),
    # one event refused
    Case("nothing in it", {}, 422, {"code": "invalid_events"}, errors=[(0, "/user_id", "required"), (0, "/event_type", "required")]),
    Case("all errors at once", {"user_id": 7, "event_type": "", "timestamp": "noon", "event_id": "x", "session_id": 7, "properties": [], "usr": 1}, 422, errors=[
        (0, "/user_id", "wrong_type"), (0, "/event_type", "length"), (0, "/timestamp", "invalid_timestamp"), (0, "/event_id", "invalid_uuid"),
        (0, "/session_id", "wrong_type"), (0, "/properties", "wrong_type"), (0, "/usr", "unknown_field"),
    ]),
    Case("texts beyond their bounds", {"user_id": "u" * 201, "event_type": "t" * 101, "session_id": "s" * 201}, 422, errors=[
        (0, "/user_id", "length"), (0, "/event_type", "length"), (0, "/session_id", "length"),
    ]),
    Case("a timestamp without an offset", {**ANN, "timestamp": "2026-03-01T10:00:00"}, 422, errors=[(0, "/timestamp", "invalid_timestamp")]),
    Case("a second 60 within a day", {**ANN, "timestamp": "2016-12-31T23:58:60Z"}, 422, errors=[(0, "/timestamp", "invalid_timestamp")]),
    Case("a second 60 at a midnight that isn't UTC's", {**ANN, "timestamp": "2016-12-31T23:59:60+01:00"}, 422, errors=[(0, "/timestamp", "invalid_timestamp")]),
    Case("a second 60 without an offset", {**ANN, "timestamp": "2016-12-31T23:59:60"}, 422, errors=[(0, "/timestamp", "invalid_timestamp")]),
    Case("a second 61", {**ANN, "timestamp": "2016-12-31T23:59:61Z"}, 422, errors=[(0, "/timestamp", "invalid_timestamp")]),
    Case("a leap second at the end of time", {**ANN, "timestamp": "9999-12-31T23:59:60Z"}, 422, errors=[(0, "/timestamp", "timestamp_out_of_range")]),
    Case("a leap second far ahead", {**ANN, "timestamp": "9998-12-31T23:59:60Z"}, 422, errors=[(0, "/timestamp", "timestamp_in_future")]),
    Case("a timestamp as a number", {**ANN, "timestamp": 1}, 422, errors=[(0, "/timestamp", "wrong_type")]),
    Case("a timestamp before the earliest", {**ANN, "timestamp": "1999-12-31T23:59:59.999999Z"}, 422, errors=[(0, "/timestamp", "timestamp_too_old")]),
    Case("a UUIDv7 of a clock that has lost its time", {**ANN, "event_id": "00000000-6a00-7abc-8def-0123456789ab"}, 422, errors=[(0, "/event_id", "timestamp_too_old")]),
    Case("a dead clock costs its neighbours nothing", [{**ANN, "timestamp": "1970-01-01T00:00:00Z"}, ANN], 207, batch(2, 1, 0, 1), ONE, errors=[(0, "/0/timestamp", "timestamp_too_old")]),
    Case("a time of sending, which each try would change", {**ANN, "sent_at": T}, 422, errors=[(0, "/sent_at", "unknown_field")]),
    Case("a timestamp far ahead", {**ANN, "timestamp": (NOW + timedelta(hours=25)).isoformat()}, 422, errors=[(0, "/timestamp", "timestamp_in_future")]),
    Case("a timestamp before the year 1 in UTC", {**ANN, "timestamp": "0001-01-01T00:00:00+05:00"}, 422, errors=[(0, "/timestamp", "timestamp_out_of_range")]),
    Case("a UUIDv4 without a timestamp", {**ANN, "event_id": ID4}, 422, errors=[(0, "/event_id", "timestamp_required")]),
    Case("a UUIDv7 far ahead", {**ANN, "event_id": "ffffffff-ffff-7abc-8def-0123456789ab"}, 422, errors=[(0, "/event_id", "timestamp_out_of_range")]),
    Case("a NUL", {"user_id": "a\0b", "event_type": "\0", "session_id": "\0", "event_id": "\0", "properties": {"k\0": ["\0"]}}, 422, errors=[
        (0, "/user_id", "nul_character"), (0, "/event_type", "nul_character"), (0, "/session_id", "nul_character"), (0, "/event_id", "nul_character"),
        (0, "/event_id", "invalid_uuid"),
    ]),
    Case("half a surrogate pair", b'{"user_id":"\\ud800","event_type":"\\ude00","session_id":"\\ud800","properties":{"a/b~c":"\\ud800"}}', 422, errors=[
        (0, "/user_id", "lone_surrogate"), (0, "/event_type", "lone_surrogate"), (0, "/session_id", "lone_surrogate"),
    ]),
    Case("a field named with a NUL", {**ANN, "properties\0": {}}, 422, errors=[(0, "/properties\0", "nul_character"), (0, "/properties\0", "unknown_field")]),
    Case("NaN", b'{"user_id":"ann","event_type":"view","properties":{"a":NaN}}', 422, errors=[(0, "/properties/a", "number_out_of_range")]),
    Case("-Infinity", b'{"user_id":"ann","event_type":"view","properties":{"a":-Infinity}}', 422, errors=[(0, "/properties/a", "number_out_of_range")]),
    Case("1e400", b'{"user_id":"ann","event_type":"view","properties":{"a":[1e400]}}', 422, errors=[(0, "/properties/a/0", "number_out_of_range")]),
    Case("an integer of 5,000 digits", b'{"user_id":"ann","event_type":"view","properties":{"a":' + b"1" * 5000 + b"}}", 422, errors=[(0, "/properties/a", "number_out_of_range")]),
    Case("33 levels", {**ANN, "properties": nested(33)}, 422, errors=[(0, "/properties" + "/a" * 32, "too_deep")]),
    Case("5,000 levels", b'{"user_id":"ann","event_type":"view","properties":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}}", 422, errors=[(0, "", "too_deep")]),
    Case("a JSON string", b'"ann"', 422, errors=[(0, "", "wrong_type")]),
    # not an event at all
    Case("not JSON", b"{user_id: ann}", 400, {"code": "invalid_json"}),
    Case("empty", b"", 400, {"code": "invalid_json"}),
    Case("not UTF-8", b'{"user_id":"\xff","event_type":"view"}', 400, {"code": "invalid_json"}),
    Case("an array that isn't closed", b"[{}", 400, {"code": "invalid_json"}),
    Case("not gzip", b"plain", 400, {"code": "invalid_gzip"}, headers={"Content-Encoding": "gzip"}),
    Case("gzip cut off", gzip.compress(json.dumps(ANN).encode())[:-9], 400, {"code": "invalid_gzip"}, headers={"Content-Encoding": "gzip"}),
    Case("an event over 64 KiB", {**ANN, "properties": {"a": "x" * 65_536}}, 413, {"code": "event_too_large"}),
    Case("an event over 64 KiB with its numbers written out", {**ANN, "properties": {"a": [1e308] * 220}}, 413, {"code": "event_too_large"}),
    Case("a body over 5 MiB", b" " * (5 * 1024 * 1024 + 1), 413, {"code": "body_too_large"}),
    Case("a gzip bomb", gzip.compress(b" " * 50_000_000), 413, {"code": "body_too_large"}, headers={"Content-Encoding": "gzip"}),
    Case("1,001 events", [ANN] * 1001, 413, {"code": "too_many_events"}),
    Case("a form", "user_id=ann", 415, {"code": "unsupported_media_type"}, content_type="application/x-www-form-urlencoded"),
    Case("no type", json.dumps(ANN), 415, {"code": "unsupported_media_type"}, content_type=None),
    Case("latin-1", ANN, 415, {"code": "unsupported_charset"}, content_type="application/json; charset=iso-8859-1"),
    Case("brotli", ANN, 415, {"code": "unsupported_encoding"}, headers={"Content-Encoding": "br"}),
    # batches
    Case("an array", [ANN, {**ANN, "user_id": "bob"}], 200, batch(2, 2), [("ann", "view"), ("bob", "view")]),
    Case("an array of one", [ANN], 200, batch(1, 1), ONE),
    Case("an array of none", [], 200, batch(0, 0)),
    Case("the same event three times in one request", [{**ANN, "timestamp": T, "event_id": ID4}] * 3, 200, batch(3, 1, 2), ONE),
    Case("the same id at another time, or of another user, is another event", [
        {**ANN, "timestamp": T, "event_id": ID4}, {**ANN, "timestamp": "2026-03-01T10:00:01Z", "event_id": ID4}, {**ANN, "user_id": "bob", "timestamp": T, "event_id": ID4},
    ], 200, batch(3, 3), [("ann", "view"), ("ann", "view"), ("bob", "view")]),
    Case("some refused, the rest stored", [ANN, {"user_id": "bob"}, 5, {**ANN, "user_id": "cay"}], 207, batch(4, 2, 0, 2), [("ann", "view"), ("cay", "view")], errors=[
        (1, "/1/event_type", "required"), (2, "/2", "wrong_type"),
    ]),
    Case("a NaN costs its neighbours nothing", b'[{"user_id":"ann","event_type":"view"},{"user_id":"bob","event_type":"view","properties":{"a":NaN}}]', 207, batch(2, 1, 0, 1), ONE, errors=[
        (1, "/1/properties/a", "number_out_of_range"),
    ]),
    Case("nor does half a surrogate pair", b'[{"user_id":"ann","event_type":"view"},{"user_id":"\\udc00","event_type":"view"}]', 207, batch(2, 1, 0, 1), ONE, errors=[(1, "/1/user_id", "lone_surrogate")]),
    Case("nor does what isn't UTF-8", b'[{"user_id":"ann","event_type":"view"},{"user_id":"\xff","event_type":"view"}]', 207, batch(2, 1, 0, 1), ONE, errors=[(1, "/1", "invalid_json")]),
    Case("nor does a large event", [ANN, {**ANN, "properties": {"a": "x" * 65_536}}], 207, batch(2, 1, 0, 1), ONE, errors=[(1, "/1", "event_too_large")]),
    Case("nothing valid", [{}, 1], 422, {"code": "invalid_events"}, errors=[(0, "/0/user_id", "required"), (0, "/0/event_type", "required"), (1, "/1", "wrong_type")]),
    Case("NDJSON", b'{"user_id":"ann","event_type":"view"}\r\n\n{"user_id":"bob","event_type":"view"}', 200, batch(2, 2), [("ann", "view"), ("bob", "view")], content_type=NDJSON),
    Case("NDJSON with a line that isn't JSON", b'{"user_id":"ann","event_type":"view"}\n{oops\n', 207, batch(2, 1, 0, 1), ONE, content_type=NDJSON, errors=[(1, "/1", "invalid_json")]),
    # dry runs and parameters
    Case("a dry run", {**ANN, "timestamp": T, "event_id": ID4}, 200, {"event_id": ID4, "timestamp": T, "status": "valid"}, parameters="?dry_run=true"),
    Case("a dry run of a batch", [ANN, {}], 207, {**batch(2, 0, 0, 1), "status": "valid"}, parameters="?dry_run=1", errors=[(1, "/1/user_id", "required"), (1, "/1/event_type", "required")]),
    Case("a dry run of nothing valid", {}, 422, {"code": "invalid_events"}, parameters="?dry_run=true"),
    Case("no dry run", ANN, 201, STORED, ONE, parameters="?dry_run=false"),
    Case("a dry run misspelt", ANN, 422, {"code": "unknown_parameter"}, parameters="?dryrun=true"),
    Case("a dry run that is neither", ANN, 422, {"code": "invalid_parameter"}, parameters="?dry_run=maybe"),
]  # fmt: skip


def post(url: str, case: Case) -> requests.Response:
    body = case.body if isinstance(case.body, bytes | str) else json.dumps(case.body)
    kind = {"Content-Type": case.content_type} if case.content_type else {}
    return requests.post(f"{url}/events{case.parameters}", body, headers={**kind, **case.headers}, timeout=30)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_post_events(shared_collector, shared_owner, case):
    answer = post(shared_collector.url, case)
    content = answer.json()
    assert answer.status_code == case.status, content
    assert {key: content[key] for key in case.expected} == case.expected
    if case.status >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert content["status"] == case.status
        assert content["detail"]
    if case.errors is not None:
        assert [(error["index"], error["pointer"], error["code"]) for error in content["errors"]] == case.errors
    if content.get("status") in ("stored", "duplicate", "valid") and "event_id" in content:
        assert UUID(content["event_id"])
    stored = shared_owner.execute("select user_id, event_type from events order by user_id").fetchall()
    assert stored == case.rows
    counts = shared_owner.execute("select event_type, sum(count) from event_counts group by 1").fetchall()
    assert dict(counts) == {kind: len(case.rows) for _, kind in case.rows}


def test_properties_come_back_as_they_were_sent(collector, owner):
    properties = {
        "int": 12345678901234567890123,
        "float": 0.1,
        "text": 'é😀"\\\u2028',
        "list": [None, True, {"": []}],
        "neg": -0.5e-7,
    }
    requests.post(f"{collector.url}/events", json={**ANN, "properties": properties}, timeout=30).raise_for_status()
    assert owner.execute("select properties from events").fetchone() == (properties,)


SALE = b'{"title":"Sale \\ud83d","nul":"a\\u0000b","\\uDE00":{"a/b\\u0000":["\\ud83d\\ude00",1.50,"\\\\u0000"]}}'
MENDED = {"title": "Sale \ufffd", "nul": "a\ufffdb", "\ufffd": {"a/b\ufffd": ["😀", 1.5, "\\u0000"]}}
WARNING = {
    "code": "replaced_characters",
    "detail": "Characters that can't be stored (U+0000, half a surrogate pair), replaced by U+FFFD: 4.",
}


def test_characters_of_properties_that_cannot_be_stored_are_replaced(collector, owner):
    event = b'{"user_id":"ann","event_type":"view","timestamp":"%b","event_id":"%b","properties":%b}' % (T.encode(), ID4.encode(), SALE)  # fmt: skip
    first, again = (post(collector.url, Case("", event, 0)) for _ in range(2))
    receipt = {"event_id": ID4, "timestamp": T, "warnings": [{"index": 0, "pointer": "/properties/title", **WARNING}]}
    assert (first.status_code, first.json()) == (201, {**receipt, "status": "stored"})
    assert (again.status_code, again.json()) == (200, {**receipt, "status": "duplicate"})
    lines = json.dumps(ANN).encode() + b"\n" + event
    answer = post(collector.url, Case("", lines, 0, content_type=NDJSON))
    assert answer.json() == {**batch(2, 1, 1), "warnings": [{"index": 1, "pointer": "/1/properties/title", **WARNING}]}
    array = post(collector.url, Case("", b"[" + event + b"," + json.dumps(ANN).encode() + b"]", 0))
    assert array.json() == {**batch(2, 1, 1), "warnings": [{"index": 0, "pointer": "/0/properties/title", **WARNING}]}
    stored = owner.execute("select properties from events where event_id = %s", [ID4]).fetchall()
    assert stored == [(MENDED,)]
    assert "collector_events_flagged_total 0.0" in requests.get(f"{collector.url}/metrics", timeout=30).text


def test_of_names_that_are_the_same_once_replaced_the_last_counts(collector, owner):
    properties = b'{"\\ud83d":1,"\\ufffd":2,"\\u0000":3}'
    event = b'{"user_id":"ann","event_type":"view","properties":' + properties + b"}"
    assert post(collector.url, Case("", event, 0)).status_code == 201
    assert owner.execute("select properties from events").fetchone() == ({"\ufffd": 3},)


def test_an_event_sent_again_is_known(collector, owner):
    event = {**ANN, "timestamp": T, "event_id": ID4}
    first, second = (requests.post(f"{collector.url}/events", json=event, timeout=30) for _ in range(2))
    assert (first.status_code, first.json()["status"]) == (201, "stored")
    assert (second.status_code, second.json()) == (200, {**first.json(), "status": "duplicate"})
    again = requests.post(f"{collector.url}/events", json=[event, ANN], timeout=30)
    assert (again.status_code, again.json()) == (200, batch(2, 1, 1))
    assert owner.execute("select sum(count) from event_counts").fetchone() == (2,)


def test_of_events_of_one_batch_with_the_same_key_the_first_is_stored(collector, owner):
    first = [{**ANN, "event_id": str(uuid.UUID(int=number, version=4)), "timestamp": T} for number in range(300)]
    second = [{**event, "event_type": "later"} for event in first]
    random.Random(1).shuffle(second)
    answer = requests.post(f"{collector.url}/events", json=first + second, timeout=30)
    assert (answer.status_code, answer.json()) == (200, batch(600, 300, 300))
    assert owner.execute("select event_type, count(*) from events group by 1").fetchall() == [(ANN["event_type"], 300)]


def test_where_times_begin_can_be_set(start_service, postgres, database, owner):
    url = postgres.url(database, "collector")
    any_time = start_service("collector", DATABASE_URL=url, EARLIEST_TIMESTAMP="0001-01-01")
    assert (
        requests.post(
            f"{any_time.url}/events", json={**ANN, "timestamp": "0001-01-01T00:00:00Z"}, timeout=30
        ).status_code
        == 201
    )
    late = start_service("collector", DATABASE_URL=url, EARLIEST_TIMESTAMP="2020-02-29")
    answers = [
        requests.post(f"{late.url}/events", json={**ANN, "timestamp": time}, timeout=30)
        for time in ("2020-02-29T00:00:00Z", "2020-02-28T23:59:59Z")
    ]
    assert [answer.status_code for answer in answers] == [201, 422]
    assert "before 2020-02-29" in answers[1].json()["errors"][0]["detail"]
    assert owner.execute("select count(*) from events").fetchone() == (2,)


def test_a_batch_is_received_in_its_own_order(collector, owner):
    """Whatever its ids are; and of those with one id, the first is stored."""
    ids = [UUID(int=(n * 7919 % 100) << 120 | n) for n in range(100)]
    events = [{**ANN, "timestamp": T, "event_id": str(one), "event_type": str(n)} for n, one in enumerate(ids)]
    events += [{**one, "event_type": "again"} for one in events]
    answer = requests.post(f"{collector.url}/events", json=events, timeout=30)
    assert answer.json() == batch(200, 100, 100)
    received = owner.execute("select event_type, received_at from events order by received_at").fetchall()
    assert [event_type for event_type, _ in received] == [str(n) for n in range(100)]
    assert received[-1][1] - received[0][1] < timedelta(milliseconds=1)


def test_an_event_known_to_another_collector_is_known(start_service, postgres, database):
    event = {**ANN, "event_id": ID7}
    urls = [start_service("collector", DATABASE_URL=postgres.url(database, "collector")).url for _ in range(2)]
    assert [requests.post(f"{url}/events", json=event, timeout=30).status_code for url in urls] == [201, 200]


def test_without_an_id_the_server_makes_a_uuid7(collector):
    before = datetime.now(UTC)
    answer = requests.post(f"{collector.url}/events", json=ANN, timeout=30).json()
    made = UUID(answer["event_id"])
    assert made.version == 7
    assert before <= datetime.fromisoformat(answer["timestamp"]) <= datetime.now(UTC)


def test_an_empty_batch_tells_the_time(collector, owner):
    before = datetime.now(UTC).replace(microsecond=0)
    answer = requests.post(f"{collector.url}/events", json=[], timeout=30)
    assert answer.json() == batch(0, 0)
    assert before <= parsedate_to_datetime(answer.headers["Date"]) <= datetime.now(UTC)


def test_the_errors_of_a_batch_that_is_part_refused_by_the_database_are_listed(collector, owner):
    owner.execute("alter table events add constraint no_poison check (event_type <> 'poison')")
    events = [ANN, {}, {**ANN, "event_type": "poison"}, {**ANN, "user_id": "bob"}]
    answer = requests.post(f"{collector.url}/events", json=events, timeout=30)
    assert answer.status_code == 207
    assert {key: answer.json()[key] for key in batch(0, 0)} == batch(4, 2, 0, 2)
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [
        ("/1/user_id", "required"), ("/1/event_type", "required"), ("/2", "not_storable"),
    ]  # fmt: skip
    alone = requests.post(f"{collector.url}/events", json={**ANN, "event_type": "poison"}, timeout=30)
    assert (alone.status_code, alone.json()["errors"][0]["pointer"]) == (422, "")
    assert (
        owner.execute("select count(*) from events").fetchone()
        == owner.execute("select sum(count) from event_counts").fetchone()
    )


@pytest.mark.parametrize("path", ["/events/", "//events", "//events/"])
def test_a_slash_too_many_costs_no_event(collector, owner, path):
    answer = requests.post(f"{collector.url}{path}?dry_run=false", json=ANN, timeout=30, allow_redirects=False)
    assert answer.status_code == 201
    assert owner.execute("select count(*) from events").fetchone() == (1,)
    assert requests.get(f"{collector.url}{path}", timeout=30).status_code == 405
    counted = requests.get(f"{collector.url}/metrics", timeout=30).text
    assert 'route="/events"' in counted
    assert f'route="{path}"' not in counted
