"""A refused event survives the way through a record as it is, whatever its bytes are."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from event_tracker.model.storing.keep_rejections import NewRejection
from event_tracker.model.storing.record import UnreadableRecordError
from event_tracker.model.storing.rejection_record import make_rejection_record, read_rejection_record

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ONE = NewRejection(
    UUID(int=7), "shop", datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC), "length", [{"pointer": "/a"}], None, None, b"\xff{", True
)  # fmt: skip


@example(ONE)
@given(
    st.builds(
        NewRejection,
        id=st.uuids(),
        source=TEXTS,
        received_at=st.datetimes(timezones=st.just(UTC)),
        reason=TEXTS,
        detail=st.lists(st.dictionaries(TEXTS, TEXTS | st.integers(), max_size=3), max_size=3),
        event_type=st.none() | TEXTS,
        user_id=st.none() | TEXTS,
        payload=st.binary(max_size=300),
        is_whole=st.booleans(),
        client=st.none() | TEXTS.filter(lambda text: text and "\0" not in text),
    )
)
def test_a_refused_event_comes_back_as_it_was(rejection):
    record = make_rejection_record(rejection)
    assert read_rejection_record(record.value, record.headers) == rejection
    assert record.key == rejection.source.encode()


VALUE = make_rejection_record(ONE).value


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (VALUE, None, "The header `v` must be 1"),
        (None, [("v", b"1")], "no value"),
        (b"hello", [("v", b"1")], "malformed"),
        (VALUE.replace(b'"is_whole":true', b'"is_whole":1'), [("v", b"1")], "Expected `bool`"),
        (VALUE.replace(b'"is_whole":true', b'"whole":true'), [("v", b"1")], "must have id, source"),
        (VALUE.replace(b'"/3s="', b'"?"'), [("v", b"1")], "Invalid base64"),
    ],
)
def test_what_is_no_such_record_is_refused(value, headers, reason):
    with pytest.raises(UnreadableRecordError) as refused:
        read_rejection_record(value, headers)
    assert reason in str(refused.value)
