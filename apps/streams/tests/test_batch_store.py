"""What ends a storer rather than becoming a dead letter: without Kafka and PostgreSQL."""

import pytest
from confluent_kafka import Message

from event_tracker.streams.storer import service
from event_tracker.streams.storer.batch_store import BatchStore, OtherFormatError


@pytest.fixture
def store():
    return BatchStore(None, "rejections", rejections_kept=10, rejection_bytes=1000)


def record(topic: str, version: bytes) -> Message:
    return Message(topic=topic, partition=2, offset=3, value=b"{}", headers=[("v", version)], timestamp=(1, 0))


def test_an_event_of_another_version_waits_for_another_storer(store):
    with pytest.raises(OtherFormatError, match="topic events, partition 2, offset 3 is newer than this storer"):
        store.store([record("events", b"2")])


def test_the_storer_ends_with_that_sentence(monkeypatch):
    def run(*_):
        raise OtherFormatError("It is newer.")

    monkeypatch.setattr(service, "_run", run)
    monkeypatch.setattr(service.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit, match=r"^storer: It is newer\.$"):
        service.run(None)


def test_what_is_no_version_of_ours_and_refused_events_are_dead_letters(store):
    batch = store._read([record("events", b"x"), record("rejections", b"2")])
    assert [dead.reason for _, dead in batch.dead] == ["unreadable_record"] * 2
