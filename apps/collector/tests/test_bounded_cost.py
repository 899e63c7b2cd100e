"""Requests are read in bounded time, and other requests are answered meanwhile."""

import gzip
import json
import sys
from datetime import UTC, datetime

import pytest
import requests
from attacks import answers_meanwhile

from event_tracker.collector.parsing.batch import NotJsonError, split_array, split_lines
from event_tracker.collector.parsing.decompression import MAX_MEMBERS
from event_tracker.collector.parsing.parser import Parser, TimeBounds
from event_tracker.collector.parsing.validation_errors import MAX_FINDINGS, MAX_POINTER, explain
from event_tracker.collector.post_event import split_body
from event_tracker.core.http.errors import Problem

SPAN = TimeBounds(datetime(2000, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC))
EVENT_BYTES = 65_536
BODY_BYTES = 5 * 1024 * 1024
GOOD = b'{"user_id":"ann","event_type":"view"}'

parser = Parser(max_event_bytes=EVENT_BYTES, max_body_bytes=BODY_BYTES, earliest=SPAN.earliest)


def parse(body, ndjson=False):
    return parser.read(split_body(body, 1000, ndjson=ndjson), source="shop")


def event(properties, more=b""):
    return b'{"user_id":"u","event_type":"t","properties":' + properties + more + b"}"


def repeats(size):
    """An event of nearly so many bytes that has each of its properties twice."""
    half = b"".join(b'"k%05d":NaN,' % number for number in range(size // 26))
    return event(b"{" + half + half + b'"x":NaN}')


def test_an_event_s_size_is_looked_at_before_it_is_read_a_second_time():
    parsed = parse(b"[" + repeats(2 * EVENT_BYTES) + b"," + GOOD + b',{"user_id":NaN}]')
    assert [(error.index, error.code) for error in parsed.errors[:2]] == [
        (0, "event_too_large"),
        (2, "number_out_of_range"),
    ]
    assert len(parsed.rows) == 1


def test_of_an_event_s_errors_the_first_are_told_and_how_many_there_are_more():
    found = explain(event(b"{}", b"".join(b',"k%d":0' % number for number in range(3000))), SPAN).findings
    assert len(found) == MAX_FINDINGS + 1
    assert {code for _, code, _ in found[:-1]} == {"unknown_field"}
    assert found[-1] == ("", "more_errors", f"And {3000 - MAX_FINDINGS:,} more.")


def test_every_refused_event_is_listed_however_many_errors_there_are():
    bad = event(b"{}", b"".join(b',"k%d":0' % number for number in range(100)))
    parsed = parse(b"[" + b",".join([bad, GOOD] * 500) + b"]")
    assert {error.index for error in parsed.errors} == set(range(0, 1000, 2))
    assert len(parsed.rows) == 500
    assert len(json.dumps([error.detail for error in parsed.errors])) < 1_000_000


@pytest.mark.parametrize("name", ["a" * 50_000, "~/" * 25_000, "\ud800" * 5000, "é" * 10_000])
def test_a_pointer_is_never_long(name):
    found, _, replaced = explain(event(json.dumps({name: {"b": [float("nan")] * 10, "c": "\0"}}).encode()), SPAN)
    assert found
    assert replaced
    assert all(len(pointer) <= MAX_POINTER for pointer, _, _ in [*found, replaced])


def test_an_event_with_many_replaced_characters_has_one_warning():
    parsed = parse(event(json.dumps({f"k{number}": ["\0\ud800"] * 10 for number in range(300)}).encode()))
    assert len(parsed.rows) == 1
    ((pointer, code, detail),) = [(warning.pointer, warning.code, warning.detail) for warning in parsed.warnings]
    assert (pointer, code) == ("/properties/k0/0", "replaced_characters")
    assert detail.endswith(": 6,000.")


def test_a_field_that_is_there_twice_is_held_to_its_type_each_time():
    found = explain(b'{"user_id":7,"event_type":"t","user_id":"ann","user_id":null,"user_id":"ann"}', SPAN).findings
    assert [(pointer, code) for pointer, code, _ in found] == [("/user_id", "wrong_type"), ("/user_id", "wrong_type")]
    assert "null" in found[1][2]


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        (b"[]", []),
        (b" [ ] \n", []),
        (b"[NaN]", [b"NaN"]),
        (b'[1, {"a":[1,2],"b":"]"} ,"\\"],",[[]]]', [b"1", b'{"a":[1,2],"b":"]"}', b'"\\"],"', b"[[]]"]),
        (b'["\xe2\x82\xac,"]', ["\"€,\"".encode()]),
    ],
)  # fmt: skip
def test_an_array_is_split_at_its_own_commas(text, elements):
    assert split_array(text, 10) == elements


@pytest.mark.parametrize(
    "text",
    [
        b"[",
        b"[1",
        b'["]',
        b'["\\"]',
        b"[1]]",
        b"[1] 2",
        b"[1,]",
        b"[,1]",
        b"[1,,2]",
        b"[}",
        b"[[1}}",
        b"[{]",
        b"[1]\x0b",
    ],
)
def test_what_is_no_array_is_not_split(text):
    with pytest.raises(NotJsonError):
        split_array(text, 10)


@pytest.mark.parametrize(
    "body", [b'[\x0b{"user_id":NaN}]', b'[{"user_id":NaN}\x0c]', b'\x0b[{"user_id":NaN}]', b'[{"user_id":NaN}]\x0b']
)
def test_whitespace_that_json_does_not_have_is_refused(body):
    with pytest.raises(Problem, match="isn't JSON"):
        parse(body)


def test_no_more_is_held_of_a_batch_than_a_request_may_have():
    assert split_array(b"[" + b"1," * 5000 + b"1]", 3) == [b"1"] * 4
    assert split_lines(b" 1\n\n" * 5000, 3) == [b"1"] * 4
    for body, ndjson in ((b"[" + b"1," * 200_000 + b"1]", False), (b"1\n" * 200_001, True)):
        with pytest.raises(Problem, match="may hold 1000 events; this one holds more"):
            parse(body, ndjson)


def test_nothing_is_looked_at_behind_more_events_than_a_request_may_have():
    """What isn't JSON there isn't found."""
    assert split_array(b"[1,1,1,1,}", 3) == [b"1"] * 4
    with pytest.raises(NotJsonError):
        split_array(b"[1,1,1,}", 3)


def lines_run(work):
    """How many lines of Python `work` runs."""
    lines = 0

    def trace(frame, what, argument):
        nonlocal lines
        lines += what == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines


def test_what_stands_within_events_is_passed_over_at_once():
    """A loop in Python over each string and comma of 3 MB took half a second."""
    text = b"[" + event(b"{" + b",".join(b'"k%d":"a,b"' % number for number in range(50_000)) + b"}") + b"]"
    assert len(split_array(text, 10)) == 1
    assert lines_run(lambda: split_array(text, 10)) < 2000


def test_an_array_with_very_many_commas_is_read_like_any_other():
    events = [event(b'{"a":[' + b"1," * 3000 + b"1]}") for _ in range(50)]
    parsed = parse(b"[" + b",".join([*events, b'{"user_id":1}']) + b"]")
    assert len(parsed.rows) == 50
    assert {error.index for error in parsed.errors} == {50}


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"[" + b",".join([repeats(EVENT_BYTES)] * 60) + b"]",
        lambda: b"[" + repeats(4_000_000) + b"]",
        lambda: b"[" + event(b"{}", b"".join(b',"k%d":0' % number for number in range(300_000))) + b",NaN]",
        lambda: b"[" * 4_000_000,
        lambda: b"[" + b'"",' * 1_300_000 + b"NaN]",
    ],
    ids=["repeated names", "a large event", "unknown fields", "brackets", "strings"],
)  # fmt: skip
def test_a_body_made_to_be_slow_holds_up_nobody(collector, make):
    body = make()

    def attack():
        answer = requests.post(
            f"{collector.url}/events", data=body, headers={"Content-Type": "text/plain"}, timeout=120
        )
        assert answer.status_code in (207, 400, 413, 422)

    answers_meanwhile(collector.url, attack)


GZIPPED = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}


@pytest.mark.parametrize("members", [1, MAX_MEMBERS])
def test_a_gzip_body_may_have_some_members(collector, members):
    body = gzip.compress(GOOD) + gzip.compress(b" ") * (members - 1) + bytes(100_000)
    assert requests.post(f"{collector.url}/events", data=body, headers=GZIPPED, timeout=30).status_code == 201


@pytest.mark.parametrize(
    "make",
    [
        lambda: gzip.compress(b"") * 250_000,
        lambda: gzip.compress(b" ") * 240_000,
        lambda: gzip.compress(GOOD) + gzip.compress(b"") * MAX_MEMBERS,
    ],
    ids=["empty members", "small members", "empty members behind a good one"],
)
def test_a_gzip_body_of_many_members_is_refused_and_holds_up_nobody(collector, make):
    body = make()

    def attack():
        answer = requests.post(f"{collector.url}/events", data=body[: 5 * 1024 * 1024], headers=GZIPPED, timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_gzip")
        assert "16 members" in answer.json()["detail"]

    answers_meanwhile(collector.url, attack)


def test_a_flood_of_lines_holds_up_nobody(collector):
    body = b"\n".join([event(b'{"a":NaN,"b":[' + b"1," * 2400 + b"1]}")] * 1000)

    def attack():
        headers = {"Content-Type": "application/x-ndjson"}
        assert requests.post(f"{collector.url}/events", data=body, headers=headers, timeout=120).status_code == 422

    answers_meanwhile(collector.url, attack, threads=3)
