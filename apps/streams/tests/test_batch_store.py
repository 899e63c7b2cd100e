"""What ends a storer rather than becoming a dead letter: without Kafka and PostgreSQL."""

import signal

import pytest
from confluent_kafka import Message

from event_tracker.streams.consuming import service as consuming
from event_tracker.streams.storer import service
from event_tracker.streams.storer.batch_store import BatchStore, OtherFormatError
from event_tracker.streams.storer.settings import StorerSettings


@pytest.fixture
def store():
    return BatchStore(None, None, "rejections", rejections_kept=10, rejection_bytes=1000)


def record(topic: str, version: bytes) -> Message:
    return Message(topic=topic, partition=2, offset=3, value=b"{}", headers=[("v", version)], timestamp=(1, 0))


def test_an_event_of_another_version_waits_for_another_storer(store):
    with pytest.raises(OtherFormatError, match="topic events, partition 2, offset 3 is newer than this storer"):
        store.store([record("events", b"2")])


def test_the_storer_ends_with_that_sentence(monkeypatch):
    def store(*_):
        raise OtherFormatError("It is newer.")

    settings = StorerSettings.read(
        kafka_brokers="127.0.0.1:1", database_url="postgresql://nobody@127.0.0.1/none", metrics_port=0
    )
    monkeypatch.setattr(service, "_store", store)
    monkeypatch.setattr(consuming, "wait_for_topic", lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit, match=r"^storer: It is newer\.$"):
        service.run(settings)


def test_what_is_no_version_of_ours_and_refused_events_are_dead_letters(store):
    batch = store._read([record("events", b"x"), record("rejections", b"2")])
    assert [dead.reason for _, dead in batch.dead] == ["unreadable_record"] * 2
