"""The decoder and `explain` accept and refuse the same bytes, and accepted events can be stored."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from event_tracker.collector.parsing.batch import Batch
from event_tracker.collector.parsing.event_schema import EventSchema
from event_tracker.collector.parsing.parser import EventParser, Parser, TimeBounds
from event_tracker.collector.parsing.validation_errors import explain
from event_tracker.collector.post_event import split_body
from event_tracker.model.event import CODES, Event
from event_tracker.model.storing.row import Row

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
SPAN = TimeBounds(EARLIEST, NOW)


PARSER = Parser(max_event_bytes=65_536, max_body_bytes=65_536, earliest=EARLIEST)


def read(raw: bytes) -> Row | None:
    """The row of an event; None if it is refused."""
    batch = Batch([raw], is_batch=False)
    parsed = EventParser(PARSER, batch, SPAN, "default").parse(0, raw)
    return parsed if isinstance(parsed, Row) else None


def near(edge: int) -> st.SearchStrategy[int]:
    return st.integers(max(0, edge - 1), edge + 1)


TEXTS = st.one_of(
    st.text(max_size=5),
    st.builds(lambda size, letter: letter * size, st.one_of(near(0), near(100), near(200)), st.sampled_from("aé😀")),
    st.sampled_from(["\0", "\ud800", "\udfff", "\\u0000", "a\u2028"]),
)
TIMES = st.one_of(
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda time: time.isoformat() + "Z"),  # noqa: DTZ001
    st.datetimes(datetime(1999, 12, 31, 23, 59), datetime(2000, 1, 1, 0, 1)).map(lambda time: time.isoformat() + "Z"),  # noqa: DTZ001
    st.timedeltas(timedelta(hours=23, minutes=59), timedelta(hours=24, minutes=1)).map(lambda ahead: (NOW + ahead).isoformat()),
    st.sampled_from([
        "2026-03-01T10:00:00", "2026-03-01 10:00:00Z", "2026-03-01t10:00:00z", "2026-03-01T10:00:00+25:00", "2026-03-01T10:00:60Z",
        "2016-12-31T23:59:60Z", "2017-01-01T01:59:60.123456789+02:00", "2016-12-31T23:59:60+02:00", "0001-01-01T00:59:60+01:00", "9999-12-31T23:59:60Z",
        "1999-12-31T23:59:60Z", "1999-12-30T23:59:60Z",
        "2026-02-30T10:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "2026-03-01T10:00:00.1234567Z", "now", "",
    ]),
)  # fmt: skip
IDS = st.one_of(
    st.uuids().map(str),
    st.integers(0, 2**48 - 1).map(lambda ms: f"{ms:012x}"[:8] + "-" + f"{ms:012x}"[8:] + "-7abc-8def-0123456789ab"),
    st.sampled_from(
        [
            "",
            "x",
            "{01932a8b-6a00-7abc-8def-0123456789ab}",
            "01932A8B6A007ABC8DEF0123456789AB",
            "01932a8b-6a00-7abc-0def-0123456789ab",
        ]
    ),
)
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([10**400, -(10**400), 2**63, 2**64]))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=5,
)
DEEP = st.integers(28, 36).map(lambda levels: json.loads('{"a":' * levels + "1" + "}" * levels))
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "user_id": st.one_of(TEXTS, TEXTS, VALUES),
        "event_type": st.one_of(TEXTS, TEXTS, VALUES),
        "timestamp": st.one_of(TIMES, VALUES),
        "event_id": st.one_of(IDS, VALUES),
        "session_id": st.one_of(TEXTS, VALUES),
        "properties": st.one_of(st.dictionaries(TEXTS, VALUES, max_size=4), DEEP, VALUES),
        "extra": VALUES,
    },
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """An event's JSON, whole or damaged: escaped or not, with members twice, cut, with bytes put in."""
    event = {"user_id": "ann", "event_type": "view", **draw(EVENTS)}
    for name in draw(st.sets(st.sampled_from(["user_id", "event_type"]), max_size=1)):
        del event[name]
    text = json.dumps(event, ensure_ascii=draw(st.booleans()))
    if draw(st.booleans()):
        text = text[:-1] + ', "user_id": ' + json.dumps(draw(VALUES)) + "}"
    raw = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=3)) + raw[draw(st.integers(at, min(at + 2, len(raw)))) :]
    return raw


@settings(max_examples=1500, deadline=None)
@given(st.one_of(bodies(), st.binary(max_size=30), VALUES.map(lambda value: json.dumps(value).encode())))
@example(b'{"user_id":"","user_id":"ann","event_type":"view"}')
@example(b'{"user_id":"ann","event_type":"view","timestamp":"2016-12-31T23:59:60Z","timestamp":"2016-12-31T23:59:60Z"}')
@example(b'{"user_id":"ann","event_type":"view","timestamp":"2016-12-31T23:59:60Z","timestamp":null,"user_id":"ann"}')
@example(b'{"user_id":"ann","event_type":"view","timestamp":"2016-12-31T23:00:60Z","timestamp":"2016-12-31T23:59:60Z"}')
@example(b'{"user_id":"ann","event_type":"view","properties":{"a":1e400,"a":1}}')
@example(b'{"user_id":"ann","event_type":"view","properties":{"a":"\\u0000","a":1}}')
@example(b'{"user_id":"ann","event_type":"view","properties":{"\\ud800":"\\udc00","\\ud801":1}}')
@example(b'{"user_id":"ann","event_type":"view","session_id":"\\ud800","properties":{"a":"\\ud800"}}')
@example(b'{"user_id":"ann","event_type":"view","properties":{"a":' + b"9" * 4300 + b"}}")
@example(b'{"user_id":"ann","event_type":"view","properties":{"a":-' + b"9" * 4300 + b"}}")
@example(b'{"user_id":"ann","event_type":"view","properties":{"a":1.7976931348623158e308}}')
@example(b'{"user_id":"ann","event_type":"view","properties":{"a":1.7976931348623159e308}}')
@example(b'{"user_id":"ann","event_type":"view","properties":{"a":[1e308,1e-400,-5E-0324,-0.0]}}')
@example(b'{"user_id":"ann","event_type":"view","properties":{"a":1e308,"b":1e' + b"9" * 4300 + b"}}")
@example(b'{"user_id":"ann","event_type":"view","properties":{"a":1' + b"0" * 400 + b".0}}")
@example(b'{"user_id":1e308,"event_type":"view"}')
@example(b'\xef\xbb\xbf{"user_id":"ann","event_type":"view"}')
@example(b'{"user_id":"ann","event_type":"view","event_id":"ffffffff-ffff-7abc-8def-0123456789ab"}')
@example(b'{"user_id":"ann","event_type":"view","timestamp":null,"event_id":null,"session_id":null,"properties":null}')
@example(b'{"user_id":"ann","event_type":"view","session_id":"","session_id":null}')
@example(b'{"user_id":"ann","event_type":"view","event_id":"5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11","timestamp":null}')
def test_the_decoder_and_the_explanation_agree(raw):
    findings = explain(raw, SPAN).findings
    assert (read(raw) is not None) == (findings == [])
    assert {code for _, code, _ in findings} <= set(CODES)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(EVENTS, VALUES), max_size=4))
def test_a_batch_refuses_the_events_that_alone_would_be_refused(events):
    parsed = Parser(max_event_bytes=65_536, max_body_bytes=1_000_000, earliest=EARLIEST).read(
        split_body(json.dumps(events).encode(), 10), source="default"
    )
    now = TimeBounds(EARLIEST, datetime.now(UTC))
    refused = {index for index, event in enumerate(events) if explain(json.dumps(event).encode(), now).findings}
    assert {error.index for error in parsed.errors} == refused
    assert len(parsed.rows) == len(events) - len(refused)


@settings(max_examples=150, deadline=None)
@given(st.lists(bodies(), min_size=1, max_size=50))
def test_what_is_accepted_can_be_stored(table, raws):
    rows = [row for raw in raws if (row := read(raw))]
    with table.cursor() as cursor:
        for row in rows:
            values = [
                row.user_id,
                row.timestamp,
                UUID(bytes=row.event_id),
                row.event_type,
                row.session_id,
                row.properties.decode(),
            ]
            cursor.execute(
                "insert into events (user_id, timestamp, event_id, event_type, session_id, properties) values (%s, %s, %s, %s, %s, %s)",
                values,
            )
    table.rollback()


@settings(max_examples=500, deadline=None)
@given(
    st.dictionaries(
        TEXTS, st.one_of(TEXTS, st.lists(TEXTS, max_size=2), st.dictionaries(TEXTS, TEXTS, max_size=2)), max_size=4
    )
)
def test_properties_are_stored_with_a_mark_where_a_character_cannot_be(properties):
    event = {"user_id": "ann", "event_type": "view", "properties": properties}
    row = read(json.dumps(event).encode())
    assert row
    text = json.dumps(properties, ensure_ascii=False)
    gone = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000|[\ud800-\udfff]").subn("\\1\ufffd", text)
    assert json.loads(row.properties) == json.loads(gone[0])
    assert [warning.code for warning in row.warnings] == ["replaced_characters"] * bool(gone[1])
    assert all(warning.detail.endswith(f": {gone[1]}.") for warning in row.warnings)


@pytest.fixture(scope="module")
def table(postgres):
    import psycopg

    with psycopg.connect(postgres.url("template_events")) as connection:
        yield connection


def test_the_schema_and_the_struct_have_the_same_fields():
    assert set(EventSchema().fields) == set(Event.__struct_fields__)
