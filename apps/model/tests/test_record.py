"""A row survives the way through a record as it is; what is no such record is refused with a reason."""

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from event_tracker.model.event import MAX_DEPTH
from event_tracker.model.schema_checks import Violation
from event_tracker.model.storing.record import OtherVersionError, UnreadableRecordError, make_record, read_record
from event_tracker.model.storing.row import Row, SchemaViolations

CHARACTERS = st.characters(exclude_categories=["Cs"])
NUMBERS = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([10**400, -(10**4000), 2**53 + 1])
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(CHARACTERS)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(CHARACTERS), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.builds(
    Row,
    user_id=st.text(CHARACTERS, min_size=1, max_size=200),
    timestamp=st.datetimes(timezones=st.just(UTC)),
    event_id=st.binary(min_size=16, max_size=16),
    event_type=st.text(CHARACTERS, min_size=1, max_size=100),
    session_id=st.none() | st.text(CHARACTERS, min_size=1, max_size=200),
    properties=st.dictionaries(st.text(CHARACTERS), VALUES, max_size=4).map(
        lambda value: json.dumps(value, ensure_ascii=False).encode()
    ),
    source=st.text(CHARACTERS, min_size=1, max_size=60),
    violations=st.none()
    | st.builds(
        SchemaViolations, st.integers(1, 2**31 - 1), st.lists(st.builds(Violation, st.text(CHARACTERS), st.text(CHARACTERS)), max_size=3)
    ),
)  # fmt: skip

ROW = Row(
    "ann", datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC), bytes(range(16)), "view", None, b'{"page":"/"}', "shop"
)


@example(ROW)
@example(msgspec.structs.replace(ROW, timestamp=datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC)))
@example(msgspec.structs.replace(ROW, timestamp=datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)))
@example(
    msgspec.structs.replace(ROW, properties=b'{"n":123456789012345678901234567890.10,"s":"\\u2028\\ud83d\\ude00"}')
)
@example(msgspec.structs.replace(ROW, user_id="\U0010ffff" * 200, session_id="\u2028\\\"'\n", event_type="\x7f"))
@given(ROWS)
def test_a_row_comes_back_as_it_was(row):
    record = make_record(row, "request-1")
    assert read_record(record.value, record.headers) == row
    assert record.key == row.user_id.encode()


def test_the_format_is_that_of_get_events():
    violations = SchemaViolations(3, [Violation("/page", "must be a number")])
    record = make_record(msgspec.structs.replace(ROW, violations=violations, warnings=()), "request-1")
    assert json.loads(record.value) == {
        "user_id": "ann",
        "event_type": "view",
        "timestamp": "2026-03-01T12:00:00.123456Z",
        "event_id": str(UUID(bytes=bytes(range(16)))),
        "session_id": None,
        "properties": {"page": "/"},
        "source": "shop",
        "violations": {"schema_version": 3, "errors": [{"pointer": "/page", "detail": "must be a number"}]},
    }
    assert record.headers == [("v", b"1"), ("request_id", b"request-1")]


def test_properties_are_not_written_again():
    """What PostgreSQL makes of numbers must not depend on the way: 1.10 stays 1.10, and no digit is lost."""
    properties = b'{ "n": 1.10, "big": 123456789012345678901234567890.5e-7 }'
    record = make_record(msgspec.structs.replace(ROW, properties=properties), "")
    assert properties in record.value
    assert read_record(record.value, record.headers).properties == properties


def test_another_offset_is_the_same_time():
    value = make_record(ROW, "").value.replace(b"2026-03-01T12:00:00.123456Z", b"2026-03-01T14:00:00.123456+02:00")
    assert timezone(timedelta(hours=2)) is not UTC
    assert read_record(value, [("v", b"1")]) == ROW


def nested(levels: int) -> bytes:
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


def test_the_deepest_properties_are_read():
    brackets_in_texts = msgspec.structs.replace(ROW, properties=b'{"a":"%b\\"[["}' % (b"{[" * 100))
    for row in (msgspec.structs.replace(ROW, properties=nested(MAX_DEPTH)), brackets_in_texts):
        record = make_record(row, "")
        assert read_record(record.value, record.headers) == row


VALUE = make_record(ROW, "").value


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (VALUE, None, "The header `v` must be 1; it is missing."),
        (VALUE, [("v", b"2")], "The header `v` must be 1; it is 2."),
        (VALUE, [("v", None)], "The header `v` must be 1; it is missing."),
        (None, [("v", b"1")], "no value"),
        (b"", [("v", b"1")], "Input data was truncated"),
        (b"hello", [("v", b"1")], "malformed"),
        (b"\xff\xfe", [("v", b"1")], "malformed"),
        (b"[]", [("v", b"1")], "Expected `object`"),
        (VALUE.replace(b'"ann"', b'""'), [("v", b"1")], "$.user_id"),
        (VALUE.replace(b'"ann"', b'"' + b"a" * 201 + b'"'), [("v", b"1")], "$.user_id"),
        (VALUE.replace(b'"ann"', b'"\xff"'), [("v", b"1")], "utf-8"),
        (VALUE.replace(b'"user_id"', b'"user"'), [("v", b"1")], "unknown field `user`"),
        (VALUE.replace(b'123456Z"', b'123456"'), [("v", b"1")], "$.timestamp"),
        (VALUE.replace(b"2026-03-01T12:00:00.123456Z", b"0001-01-01T00:00:00+10:00"), [("v", b"1")], "out of range"),
        (VALUE.replace(b'{"page":"/"}', b'["page"]'), [("v", b"1")], "`properties` isn't an object"),
        (VALUE.replace(b'{"page":"/"}', nested(MAX_DEPTH + 1)), [("v", b"1")], "more than 32 levels"),
        (VALUE.replace(b'{"page":"/"}', nested(200_000)), [("v", b"1")], "nested too deep"),
    ],
)
def test_what_is_no_record_is_refused(value, headers, reason):
    with pytest.raises(UnreadableRecordError) as refused:
        read_record(value, headers)
    assert reason in str(refused.value)


def test_another_version_is_told_apart_from_what_is_no_record():
    for version, is_other in (
        (b"2", True),
        (b"10", True),
        (b"1.0", False),
        (b"one", False),
        (b"", False),
        (None, False),
    ):
        with pytest.raises(UnreadableRecordError) as raised:
            read_record(VALUE, [("v", version)])
        assert isinstance(raised.value, OtherVersionError) == is_other
