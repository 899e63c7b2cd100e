"""Events that are sent again after retention has deleted them are neither stored nor counted."""

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
import requests
from click.testing import CliRunner
from lock_waits import waiting_for_locks
from meanwhile import Meanwhile
from storing import store
from waiting import eventually, wait_until

from event_tracker.cli.database.maintain import maintain
from event_tracker.cli.database.partitions import Month, make_partition
from event_tracker.model.rejections import list_rejections, request_replay

EXPIRED = "Not stored: retention has deleted the events of this time. If this was one of them, it stays counted."

numbers = itertools.count(1)


def days_ago(days):
    """Noon of the day so many days ago, UTC."""
    return (datetime.now(UTC) - timedelta(days=days)).replace(hour=12, minute=0, second=0, microsecond=0)


def event(days, user_id="ann", **more):
    """An event of so many days ago, with an identity of its own."""
    id_ = str(UUID(int=next(numbers)))
    return {"user_id": user_id, "event_type": "view", "timestamp": days_ago(days).isoformat(), "event_id": id_, **more}


@pytest.fixture
def post(collector):
    """post(event or list): the status, and the answer."""

    def post(body):
        answer = requests.post(f"{collector.url}/events", json=body, timeout=90)
        return answer.status_code, answer.json()

    return post


@pytest.fixture
def run_maintain(postgres, database):
    def run(*arguments):
        result = CliRunner().invoke(maintain, arguments, env={"DATABASE_URL": postgres.url(database)})
        assert result.exit_code == 0, result.output

    return run


@pytest.fixture
def keep(owner):
    """keep("shop", 30): the source, and for how many days its events are kept; None is as long as others'."""

    def keep(source, days):
        owner.execute(
            "insert into sources (name, keep) values (%s, %s) on conflict (name) do update set keep = excluded.keep",
            [source, days],
        )

    return keep


def counts(owner):
    """Events that are there, and events that are counted."""
    return owner.execute("select (select count(*) from events), (select sum(count)::int from event_counts)").fetchone()


def outcome(collector, name):
    lines = requests.get(f"{collector.url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(f'collector_events_total{{outcome="{name}"'))


@pytest.mark.parametrize("has_partition", [False, True])
def test_it_is_acknowledged_and_changes_nothing(collector, post, owner, run_maintain, has_partition):
    old = event(100)
    if has_partition:
        make_partition(owner, Month(days_ago(100).year, days_ago(100).month))
    assert post(old)[0] == 201
    keeping = "50days" if has_partition else "90days"  # the month that a limit is in stays, if it has a partition
    for _ in range(2):
        run_maintain("--keep", keeping)
        warning = {"index": 0, "pointer": "", "code": "expired", "detail": EXPIRED}
        receipt = {"event_id": old["event_id"], "timestamp": old["timestamp"].replace("+00:00", "Z")}
        assert post(old) == (200, {**receipt, "status": "expired", "warnings": [warning]})
        assert counts(owner) == (0, 1)
    assert owner.execute("select count(*) from users").fetchone() == (0,)
    assert outcome(collector, "expired") == 2


def test_a_batch_says_which_they_are(post, owner, run_maintain):
    old, known = event(100), event(1)
    assert post([old, known])[1]["stored"] == 2
    run_maintain("--keep", "90days")
    status, answer = post([event(2), {"user_id": "ann"}, old, known, event(91)])
    assert (status, answer) == (
        207,
        {
            "received": 5,
            "stored": 1,
            "duplicates": 1,
            "expired": 2,
            "rejected": 1,
            "warnings": [
                {"index": 2, "pointer": "/2", "code": "expired", "detail": EXPIRED},
                {"index": 4, "pointer": "/4", "code": "expired", "detail": EXPIRED},
            ],
            "errors": [{"index": 1, "pointer": "/1/event_type", "code": "required", "detail": "Is missing."}],
        },
    )
    assert counts(owner) == (2, 3)
    assert post([old])[0] == 200


def stored(owner, source, days):
    """Whether an event of so many days ago is stored, by the statement of collectors."""
    ((before,),) = owner.execute("select count(*) from events").fetchall()
    store(owner, {"user_id": "ann", "timestamp": days_ago(days), "source": source})
    ((after,),) = owner.execute("select count(*) from events").fetchall()
    return after > before


def test_each_source_goes_by_its_own_time(owner, keep, run_maintain):
    keep("shop", 30)
    keep("archive", 3650)
    run_maintain("--keep", "90days")
    assert [stored(owner, "shop", days) for days in (29, 31)] == [True, False]
    assert [stored(owner, "default", days) for days in (31, 89, 91)] == [True, True, False]
    assert [stored(owner, "not-in-the-table", days) for days in (89, 91)] == [True, False]
    assert [stored(owner, "archive", days) for days in (91, 3649, 3651)] == [True, True, False]


def test_what_was_deleted_stays_deleted_when_a_source_is_kept_longer(owner, keep, run_maintain):
    keep("shop", 30)
    run_maintain("--keep", "90days")
    for days in (60, None):
        keep("shop", days)
        run_maintain("--keep", "1000days")
        assert [stored(owner, "shop", days) for days in (29, 31)] == [True, False]
    keep("default", 3650)
    run_maintain()
    assert [stored(owner, "default", days) for days in (89, 91)] == [True, False]


def test_a_new_source_that_is_kept_longer_takes_its_history(owner, keep, run_maintain):
    run_maintain("--keep", "90days")
    keep("new", None)
    assert not stored(owner, "new", 100)
    keep("archive", 3650)
    assert stored(owner, "archive", 100)
    run_maintain("--keep", "90days")
    assert stored(owner, "archive", 100)


def test_nothing_is_expired_where_nothing_was_deleted(owner, keep, run_maintain):
    keep("shop", 30)
    run_maintain("--dry-run", "--keep", "90days")
    assert stored(owner, "shop", 100)
    assert stored(owner, "default", 100)


def test_a_resend_that_is_under_way_when_the_mark_is_set_is_waited_for(post, owner, postgres, database, run_maintain):
    """It has taken its snapshot, sees no mark, and waits for an event that another transaction is storing."""
    old, new = event(100, "bob"), event(1)
    assert post(old)[0] == 201
    with psycopg.connect(postgres.url(database)) as other:
        store(other, {**new, "event_type": "view"})
        resending = Meanwhile(lambda: post([new, old]))
        wait_until(lambda: waiting_for_locks(owner) == 1)
        maintaining = Meanwhile(lambda: run_maintain("--keep", "90days"))
        wait_until(lambda: waiting_for_locks(owner) == 2 or not maintaining.is_alive())
        other.commit()
    assert resending.end()[1]["duplicates"] == 2
    maintaining.end()
    assert counts(owner) == (1, 2)
    assert post(old)[1]["status"] == "expired"
    assert counts(owner) == (1, 2)


def test_a_refused_event_that_is_replayed_too_late_is_kept_with_the_reason(post, owner, run_maintain):
    run_maintain("--keep", "90days")
    status, _ = post(event(100, colour="red"))
    assert status == 422
    wait_until(lambda: list_rejections(owner))
    owner.execute(
        "update rejections set payload = convert_to(replace(convert_from(payload, 'UTF8'), 'colour', 'session_id'), 'UTF8')"
    )
    assert request_replay(owner, "default", reason="unknown_field") == 1
    assert eventually(lambda: [one.reason for one in list_rejections(owner)] == ["expired"])
    (kept,) = list_rejections(owner)
    assert (kept.detail, kept.replay_requested_at) == ([{"pointer": "", "code": "expired", "detail": EXPIRED}], None)
    assert counts(owner) == (0, None)
