"""The publisher's settings, and the records that it makes."""

from datetime import UTC, datetime

import pytest

from event_tracker.core.settings import InvalidSettingsError
from event_tracker.model.relaying.relay import ErasedUser
from event_tracker.model.relaying.stored_event import StoredEvent
from event_tracker.model.storing.record import read_record
from event_tracker.model.storing.row import Row
from event_tracker.streams.publisher.publisher import make_records, make_tombstone
from event_tracker.streams.publisher.settings import PublisherSettings

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT = StoredEvent(Row("ann", AT, bytes(16), "click", None, b'{"page": "/"}', "shop"), AT)
GIVEN = {
    "KAFKA_BROKERS": "localhost:9092",
    "DATABASE_URL": "postgresql://relay@localhost/events",
    "PUBLISH_FROM": "now",
}


@pytest.fixture
def read(monkeypatch):
    """A function that reads settings from the environment."""

    def read(**changed: str) -> PublisherSettings:
        for name, value in {**GIVEN, **changed}.items():
            monkeypatch.setenv(name, value)
        return PublisherSettings.read()

    return read


def test_topics_are_filtered_by_type(read):
    settings = read(PUBLISH_FILTERED="views:page_view,taps:click,taps:tap,both:click")
    assert settings.topics == ["analytics.stored", "views", "taps", "both"]
    assert settings.filtered_topics == {"page_view": ["views"], "click": ["taps", "both"], "tap": ["taps"]}


def test_a_type_may_have_a_colon(read):
    assert read(PUBLISH_FILTERED="carts:cart:add").filtered_topics == {"cart:add": ["carts"]}


@pytest.mark.parametrize(
    ("setting", "value", "why"),
    [
        ("PUBLISH_TOPIC", "analytics.events", "is KAFKA_TOPIC"),
        ("PUBLISH_TOPIC", "analytics.rejections", "is KAFKA_REJECTIONS_TOPIC"),
        ("PUBLISH_FILTERED", "analytics.events:click", "is KAFKA_TOPIC"),
        ("PUBLISH_FILTERED", "analytics.stored:click", "is PUBLISH_TOPIC"),
        ("PUBLISH_FILTERED", "clicks", "must be `topic:event_type`"),
        ("PUBLISH_FILTERED", "clicks:", "must be `topic:event_type`"),
        ("PUBLISH_FILTERED", "a b:click", "must be `topic:event_type`"),
        ("PUBLISH_FILTERED", "clicks:click,clicks:click", "named twice"),
        ("PUBLISH_FROM", "yesterday", "Must be one of"),
        ("PUBLISHER_NAME", "ann's", "not match"),
    ],
)
def test_mistakes_are_named(read, setting, value, why):
    with pytest.raises(InvalidSettingsError, match=why) as refused:
        read(**{setting: value})
    assert list(refused.value.mistakes) == [setting]


def test_where_it_begins_must_be_said(read, monkeypatch):
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PUBLISH_FROM")
    with pytest.raises(InvalidSettingsError, match="PUBLISH_FROM"):
        PublisherSettings.read()


def test_an_event_has_a_record_for_each_topic():
    records = list(make_records(EVENT, ["all", "clicks"]))
    assert [record.topic for record in records] == ["all", "clicks"]
    for record in records:
        assert record.key == b"ann"
        assert record.headers == [("v", b"1"), ("received_at", b"2026-03-01T12:00:00+00:00")]
        assert read_record(record.value, record.headers) == EVENT.row


@pytest.mark.parametrize(("sources", "more"), [(None, []), (["blog", "shop"], [("sources", b'["blog","shop"]')])])
def test_a_tombstone_has_a_key_and_no_value(sources, more):
    assert make_tombstone(ErasedUser(1, "ann", sources), "all") == ("all", b"ann", None, [("v", b"1"), *more])
