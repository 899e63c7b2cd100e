"""`track`: what it takes, what it returns, and that it never waits or fails for the network."""

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from ports import free_port

from event_tracker.client import Client


def sent(collector):
    return [event for request in collector.requests for event in request.events]


def test_it_returns_the_id_that_is_sent(simulate, make_client):
    collector = simulate()
    client = make_client(collector)
    before = datetime.now(UTC)
    event_id = client.track("ann", "page_view", {"page": "/"}, session_id="s1")
    assert client.flush(30)
    (event,) = sent(collector)
    assert event.pop("event_id") == event_id
    assert before <= datetime.fromisoformat(event.pop("timestamp")) <= datetime.now(UTC)
    assert event == {"user_id": "ann", "event_type": "page_view", "properties": {"page": "/"}, "session_id": "s1"}
    made = uuid.UUID(event_id)
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert abs((made.int >> 80) / 1000 - before.timestamp()) < 60


def test_id_and_time_can_be_given(simulate, make_client):
    collector = simulate()
    client = make_client(collector)
    given = uuid.uuid4()
    at = datetime(2026, 3, 1, 10, tzinfo=timezone(timedelta(hours=1)))
    assert client.track("ann", "x", timestamp=at, event_id=given) == str(given)
    assert client.track("ann", "x", event_id=str(given).upper()) == str(given)
    client.flush(30)
    assert sent(collector)[0]["timestamp"] == "2026-03-01T09:00:00+00:00"


def test_without_a_collector_it_returns_all_the_same(make_client):
    client = make_client(f"http://127.0.0.1:{free_port()}")
    assert client.track("ann", "x")
    assert not client.flush(0.05)
    assert client.stats.queued == 1


CIRCLE = {}
CIRCLE["self"] = CIRCLE


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"user_id": 7}, TypeError, "user_id: is of type int, not str"),
        ({"user_id": ""}, ValueError, "user_id: has 0 characters; 1 to 200 are allowed"),
        ({"user_id": None}, ValueError, "user_id: is None, and no user is set in this context"),
        ({"user_id": "a\0"}, ValueError, "user_id: has the character U+0000 or half a surrogate pair"),
        ({"event_type": "x" * 101}, ValueError, "event_type: has 101 characters; 1 to 100 are allowed"),
        ({"event_type": "\ud83d"}, ValueError, "event_type: has the character U+0000 or half a surrogate pair"),
        ({"session_id": 1}, TypeError, "session_id: is of type int, not str"),
        ({"timestamp": "2026-03-01"}, TypeError, "timestamp: is of type str, not datetime"),
        ({"timestamp": datetime(2026, 3, 1)}, ValueError, "timestamp: has no time zone; datetime.now(UTC) has one"),  # noqa: DTZ001
        ({"event_id": "7"}, ValueError, "event_id: isn't a UUID"),
        ({"event_id": 7}, TypeError, "event_id: is of type int, not UUID or str"),
        ({"properties": [1]}, TypeError, "properties: is of type list, not a mapping"),
        ({"properties": {"a": [{"b": {1}}]}}, TypeError, "properties.a[0].b: is of type set, which JSON doesn't have"),
        ({"properties": {"a": {(1, 2): 3}}}, TypeError, "properties.a: has a name of type tuple, not str"),
        ({"properties": {"a": float("nan")}}, ValueError, "properties.a: Out of range float values are not JSON compliant"),
        ({"properties": CIRCLE}, ValueError, "properties" + 33 * ".self" + ": is nested beyond 32 levels"),
        ({"properties": {"a": "x" * 65_536}}, ValueError, "properties: the event has 65"),
    ],
)  # fmt: skip
def test_what_can_be_no_event_is_the_callers_error(make_client, arguments, error, message):
    client = make_client("http://127.0.0.1:9")
    with pytest.raises(error) as raised:
        client.track(**{"user_id": "ann", "event_type": "x", **arguments})
    assert str(raised.value).startswith(message)
    assert client.stats.queued == 0


def test_half_a_surrogate_pair_in_properties_is_left_to_the_collector(simulate, make_client):
    collector = simulate()
    client = make_client(collector)
    client.track("ann", "x", {"text": "\ud83d"})
    client.flush(30)
    assert sent(collector)[0]["properties"] == {"text": "\ud83d"}


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("localhost:8000", {}, "url: isn't the URL of a collector"),
        ("ftp://localhost", {}, "url: isn't the URL of a collector"),
        ("http://ann:secret@localhost", {}, "url: has a user name"),
        ("http://localhost/?a=b", {}, "url: has a user name, a query"),
        ("http://localhost", {"write_key": "a key"}, "write_key: is empty, or has a space"),
        ("http://localhost", {"write_key": ""}, "write_key: is empty"),
        ("http://localhost", {"max_queued_events": 0}, "max_queued_events: is 0; it must be greater than 0"),
        ("http://localhost", {"timeout_seconds": -1}, "timeout_seconds: is -1"),
    ],
)
def test_what_can_be_no_client_is_refused(url, options, message):
    with pytest.raises(ValueError) as raised:
        Client(url, **options)
    assert str(raised.value).startswith(message)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("limit", [{"max_queued_events": 2}, {"max_bytes": 350}])
def test_what_the_queue_cannot_hold_is_dropped_and_reported(make_client, limit):
    client = make_client(f"http://127.0.0.1:{free_port()}", **limit)
    ids = [client.track("ann", "x") for _ in range(3)]
    (undelivered,) = client.undelivered
    assert undelivered.event["event_id"] == ids[2]
    assert undelivered.code == "queue_full"
    assert "wait already" in undelivered.detail
    assert (client.stats.queued, client.stats.dropped) == (2, 1)
