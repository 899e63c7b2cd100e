"""A transaction that has tracked events and stays open makes nobody wait, and the order of events makes no deadlock."""

import uuid
from contextlib import ExitStack
from datetime import UTC, datetime

import psycopg
import pytest
import requests
from click.testing import CliRunner
from lock_waits import waiting_for_locks
from meanwhile import Meanwhile
from storing import store
from tracking import application_role, track
from waiting import wait_until

from event_tracker.cli.database.maintain import maintain

NOW = datetime.now(UTC)
LOCKS = """
select count(*)
from pg_locks
join pg_class on pg_class.oid = relation
where relname in ('event_counts', 'users', 'links') or relname ~ '^events'
"""
NO_WAIT = "set lock_timeout = '1ms'"


def event(user_id="ann", event_type="view", **more):
    return {
        "user_id": user_id,
        "event_type": event_type,
        "timestamp": NOW.isoformat(),
        "event_id": str(uuid.uuid4()),
        **more,
    }


@pytest.fixture
def connect(postgres, database):
    """connect(): another connection of an application, autocommit."""
    with application_role(postgres) as role, ExitStack() as stack:
        yield lambda: stack.enter_context(psycopg.connect(postgres.url(database), user=role, autocommit=True))


def counted(owner):
    ((stored, counts),) = owner.execute(
        "select (select count(*) from events), (select sum(count)::int from event_counts)"
    )
    return stored, counts


def test_an_open_transaction_holds_no_lock_on_what_others_use(connect, owner):
    app = connect()
    with app.transaction():
        track(app, event())
        assert owner.execute(LOCKS).fetchall() == [(0,)]


def test_a_collector_does_not_wait_for_it(connect, owner, collector):
    """The same user, type and hour, a link of the same ids, and a user who is new."""
    identify = {"event_type": "identify", "properties": {"anonymous_id": "anon"}}
    events = [event(), event(**identify), event("new")]
    app = connect()
    owner.execute("alter role collector set lock_timeout = '1ms'")
    try:
        with app.transaction():
            for one in (event(), event(**identify), event("new")):
                track(app, one)
            answer = requests.post(f"{collector.url}/events", json=events, timeout=30)
            assert answer.json()["stored"] == 3
            assert waiting_for_locks(owner) == 0
    finally:
        owner.execute("alter role collector reset lock_timeout")
    assert counted(owner) == (6, 6)


@pytest.mark.parametrize("again", [False, True], ids=["other events", "the same events"])
def test_two_transactions_do_not_wait_for_each_other(connect, owner, again):
    """They track events of the same users in opposite order, and end in each order."""
    for last in (0, 1):
        ann, bob = event("ann"), event("bob")
        others = (ann, bob) if again else (event("ann"), event("bob"))
        apps = [connect(), connect()]
        with ExitStack() as stack:
            for app, events in zip(apps, [(ann, bob), (others[1], others[0])], strict=True):
                app.execute(NO_WAIT)
                app.execute("begin")
                stack.callback(app.close)
                for one in events:
                    track(app, one)
            apps[1 - last].execute("commit")
            apps[last].execute("commit")
    assert counted(owner) == ((4, 4) if again else (8, 8))


def test_transactions_with_the_same_events_do_not_deadlock(connect, owner):
    """Many at once, in random order of users, with events that all of them send."""
    same = [event(f"user {number}") for number in range(8)]

    def work(step):
        app = connect()
        for number in range(20):
            with app.transaction():
                for place in range(8):
                    track(app, same[(place * step + number) % 8])
                    track(app, event(f"user {(place * step) % 8}"))

    threads = [Meanwhile(lambda step=step: work(step)) for step in (1, 3, 5, 7)]
    for thread in threads:
        thread.end()
    assert counted(owner) == (8 + 4 * 20 * 8,) * 2


def test_maintenance_does_not_wait_for_it(connect, owner, postgres, database):
    app = connect()
    track(app, event())
    with app.transaction():
        track(app, event())
        result = CliRunner().invoke(maintain, ["--keep", "3months"], env={"DATABASE_URL": postgres.url(database)})
        assert result.exit_code == 0, result.output
    assert counted(owner) == (2, 2)


def test_the_same_event_by_a_collector_waits_no_longer_than_a_commit(connect, owner):
    """A collector's statement has stored it and not committed yet: the transaction waits at its end, and recognises it."""
    one = event()
    app = connect()
    with owner.transaction():
        store(owner, one)
        with_it = Meanwhile(lambda: track(app, one))
        wait_until(lambda: waiting_for_locks(owner) == 1)
    with_it.end()
    assert counted(owner) == (1, 1)


def test_a_snapshot_that_is_too_old_is_a_serialization_failure(connect, owner):
    """A user whom somebody else has stored since: the application tries again, as always in repeatable read."""
    app, other = connect(), connect()
    app.execute("begin isolation level repeatable read")
    track(app, event())
    track(other, event())
    with pytest.raises(psycopg.errors.SerializationFailure):
        app.execute("commit")
    assert counted(owner) == (1, 1)
    with app.transaction():
        track(app, event())
    assert counted(owner) == (2, 2)


def test_a_month_that_gets_its_partition_meanwhile(connect, owner, postgres, database):
    app = connect()
    with app.transaction():
        for number in range(3):
            track(app, event(f"user {number}", timestamp="2012-03-04T05:06:07Z"))
        owner.execute(
            "create table events_2012_03 partition of events for values from ('2012-03-01') to ('2012-04-01')"
        )
    assert owner.execute("select count(*) from events_2012_03").fetchall() == [(3,)]
