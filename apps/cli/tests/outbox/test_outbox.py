"""`tracker outbox`: events of another PostgreSQL are stored once, and refused ones stay and hold up nobody."""

import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import requests
from tracking import track

NOW = datetime.now(UTC)
KEY = 'user_id, "timestamp", event_id, event_type, session_id, properties, source'


def event(user_id="ann", event_type="view", **more):
    return {
        "user_id": user_id,
        "event_type": event_type,
        "timestamp": NOW.isoformat(),
        "event_id": str(uuid.uuid4()),
        **more,
    }


def rows(connection, table="events", columns=KEY):
    return connection.execute(f"select {columns} from {table} order by {columns}".encode()).fetchall()


def test_what_is_committed_is_stored_as_by_http(app, outbox, outbox_owner, pair, store):
    events = [
        event(),
        event("é" * 200, session_id="s", properties={"n": [1, 0.1, None, {"a": '€\n\\"'}]}),
        event("ann", "identify", properties={"anonymous_id": "anon"}, timestamp=(NOW - timedelta(days=3)).isoformat()),
    ]
    with app.transaction(force_rollback=True):
        track(app, event("rolled back"))
    with app.transaction():
        for one in events:
            track(app, one)
        track(app, events[0])
    assert outbox("run", "--once") == "3 stored, 1 duplicate, 0 accepted, 0 expired, 0 refused\n"
    answer = requests.post(f"{pair.collector.url}/events", json=events, timeout=30).json()
    assert (answer["stored"], answer["duplicates"]) == (0, 3)
    assert rows(pair.owner, "links", "alias, person") == [("anon", "ann")]
    assert store.stored == 3
    assert rows(outbox_owner, "event_tracker.outbox", "id") == []
    assert outbox("run", "--once") == "nothing waits\n"


def test_an_identity_is_made_in_the_outbox(app, outbox, outbox_owner, pair):
    ((made,),) = app.execute("select event_tracker.track('ann', 'order_paid', '{\"total\": 12}')").fetchall()
    ((event_id, timestamp),) = rows(outbox_owner, "event_tracker.outbox", 'event_id, "timestamp"')
    assert event_id == made
    outbox("run", "--once")
    assert rows(pair.owner, columns='event_id, "timestamp"') == [(made, timestamp)]


def test_refused_events_stay_with_the_reason(app, outbox, outbox_owner, pair, store):
    pair.owner.execute("insert into retention_marks values ('', %s)", [NOW - timedelta(days=30)])
    try:
        track(app, event("old", timestamp=(NOW - timedelta(days=31)).isoformat()))
        app.execute("select event_tracker.track('ann', 'view', '{}', %s)", [NOW])
        outbox_owner.execute("update event_tracker.outbox set event_type = '' where user_id = 'ann'")
        track(app, event("bob"))
        assert outbox("run", "--once", "--batch", "1") == "1 stored, 0 duplicate, 0 accepted, 1 expired, 1 refused\n"
    finally:
        pair.owner.execute("truncate retention_marks")
    listed = outbox("list").splitlines()
    assert listed[0] == "0 wait, the oldest for 0 s; 1 are refused"
    assert "/event_type length: " in listed[1]
    outbox_owner.execute("update event_tracker.outbox set event_type = 'view'")
    assert outbox("run", "--once") == "nothing waits\n"
    assert outbox("retry") == "1 wait again\n"
    assert outbox("run", "--once").startswith("1 stored")
    assert store.stored == 2


def test_a_refused_event_with_any_timestamp_is_listed(app, outbox, outbox_owner, store):
    """Python has no such times, and the list doesn't need them."""
    timestamps = ("infinity", "20000-01-01", "0044-03-15 BC")
    for timestamp in timestamps:
        app.execute("select event_tracker.track(%s, 'view')", [timestamp])
        outbox_owner.execute(
            'update event_tracker.outbox set "timestamp" = user_id::timestamptz where user_id = %s', [timestamp]
        )
    assert outbox("run", "--once").endswith("3 refused\n")
    listed = outbox("list").splitlines()
    assert listed[0].endswith("3 are refused")
    for line, timestamp in zip(listed[1:], timestamps, strict=True):
        assert f"  {timestamp}  /timestamp " in line


def test_a_source_has_its_sender(app, outbox, store):
    track(app, event(), "shop")
    track(app, event(), "blog")
    assert outbox("run", "--once", "--source", "shop").startswith("1 stored")
    assert outbox("list").startswith("1 wait")
    assert store.stored == 1


def test_another_sender_is_not_waited_for(app, outbox, outbox_owner, store):
    track(app, event("first"))
    track(app, event("second"))
    with outbox_owner.transaction():
        outbox_owner.execute("select from event_tracker.outbox where user_id = 'first' for update").fetchall()
        outbox("run", "--once")
        assert store.rows("user_id") == [("second",)]
    outbox("run", "--once")
    assert store.stored == 2


def test_a_wrong_url_or_key_is_said(outbox, app, outbox_owner):
    track(app, event())
    assert "isn't one of PostgreSQL" in outbox("list", "postgresql//", code=2)
    assert "Name the database" in outbox("list", code=2, OUTBOX_DATABASE_URL="")
    assert "401" in outbox("run", "--write-key", "wk_0123456789_" + "0" * 40, code=2)
    assert len(rows(outbox_owner, "event_tracker.outbox", "id")) == 1


def test_it_may_be_made_again(outbox, app, outbox_owner):
    track(app, event())
    outbox_owner.execute("update event_tracker.limits set max_event_bytes = 1000")
    assert "ready" in outbox("init")
    assert rows(outbox_owner, "event_tracker.limits", "max_event_bytes") == [(1000,)]
    assert len(rows(outbox_owner, "event_tracker.outbox", "id")) == 1


def test_the_database_of_the_tracker_needs_none(outbox, pair):
    assert "needs no outbox" in outbox("init", pair.owner.info.dsn, code=1)


@pytest.mark.parametrize(
    "statement",
    ["select * from event_tracker.outbox", "delete from event_tracker.outbox", "select * from event_tracker.limits"],
)
def test_the_role_may_do_nothing_else(app, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement)


def test_events_are_checked_when_they_are_tracked(app):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="user_id must have"):
        track(app, event(""))
