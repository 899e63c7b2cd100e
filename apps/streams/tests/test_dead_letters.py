"""Records that can't be stored, as refused events: without Kafka and PostgreSQL."""

import json
from datetime import UTC, datetime
from uuid import UUID

from confluent_kafka import Message

from event_tracker.model.storing.row import Row
from event_tracker.streams.consuming.loop import take_batch
from event_tracker.streams.storer.dead_letters import make_id, reject_record, reject_row

WRITTEN = datetime(2026, 11, 1, 12, tzinfo=UTC)
ID = UUID(int=5)


def record(value: bytes | None = b"{}", *, offset: int = 3, key: bytes | None = b"ann", partition: int = 2) -> Message:
    written = (1, int(WRITTEN.timestamp() * 1000))
    return Message(topic="events", partition=partition, offset=offset, value=value, key=key, timestamp=written)


def row(**fields) -> Row:
    made = {
        "user_id": "ann", "timestamp": WRITTEN, "event_id": ID.bytes, "event_type": "view", "session_id": None,
        "properties": b'{"a":1.50}', "source": "shop",
    }  # fmt: skip
    return Row(**{**made, **fields})


def test_the_id_is_that_of_the_place_in_the_order_of_time():
    one = make_id(record())
    assert (one.version, one.variant) == (7, "specified in RFC 4122")
    assert one == make_id(record(b"something else"))
    assert len({one, make_id(record(offset=4)), make_id(record(partition=0))}) == 3
    assert one.int >> 80 == int(WRITTEN.timestamp() * 1000)


def test_what_can_be_read_of_a_record_is_kept_with_it():
    kept = reject_record(record(b'{"user_id":"bob","event_type":"view","source":"shop"}'), "It is wrong.", 100)
    assert (kept.reason, kept.source, kept.user_id, kept.event_type) == ("unreadable_record", "shop", "bob", "view")
    assert kept.received_at == WRITTEN
    assert kept.is_whole
    assert kept.detail == [
        {"pointer": "", "code": "unreadable_record", "detail": "It is wrong. Topic events, partition 2, offset 3."}
    ]


def test_what_can_be_read_is_what_postgresql_can_store():
    kept = reject_record(record(b'{"user_id":7,"event_type":"\\u0000","source":"no source"}'), "Wrong\0.", 100)
    assert (kept.source, kept.user_id, kept.event_type) == ("default", "ann", None)
    assert "\0" not in kept.detail[0]["detail"]
    for value, key in ((b"\xff", b"\xff"), (None, None), (b"[" * 100_000, b"k" * 300)):
        kept = reject_record(record(value, key=key), "Wrong.", 100)
        assert (kept.source, kept.user_id, kept.event_type) == ("default", None, None)


def test_a_long_value_is_cut_off():
    kept = reject_record(record(b"x" * 101), "Wrong.", 100)
    assert (len(kept.payload), kept.is_whole) == (100, False)


def test_an_event_that_cannot_be_stored_is_kept_as_it_would_be_sent():
    kept = reject_row(record(), row(), "not_storable", "Wrong.", 1000)
    assert (kept.reason, kept.source, kept.user_id, kept.event_type) == ("not_storable", "shop", "ann", "view")
    assert json.loads(kept.payload) == {
        "user_id": "ann",
        "event_type": "view",
        "timestamp": "2026-11-01T12:00:00Z",
        "event_id": str(ID),
        "properties": {"a": 1.5},
    }
    assert b"1.50" in kept.payload


def test_a_batch_is_bounded_by_number_and_bytes_and_has_at_least_one_record():
    records = [record(b"x" * 10, offset=offset) for offset in range(5)]
    assert len(take_batch(records, 3, 1000)) == 3
    assert len(take_batch(records, 9, 25)) == 2
    assert len(take_batch(records, 9, 1)) == 1
    assert len(take_batch([record(None)], 9, 1)) == 1
