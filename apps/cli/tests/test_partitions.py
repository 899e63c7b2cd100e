"""Months get or lose a partition while events are read and written: no answer misses events, and there is no deadlock."""

from datetime import UTC, datetime

import psycopg
import pytest
import requests
from lock_waits import waiting_for_locks
from meanwhile import Meanwhile
from storing import store
from waiting import wait_until

from event_tracker.cli.database import partitions
from event_tracker.cli.database.partitions import Month, make_partition
from event_tracker.cli.database.retention.retention import delete_expired, find_expired

MAY = Month(2019, 5)

RANGE = "from=2019-05-10T00:10:00Z&to=2019-05-16T00:10:00Z"
QUESTIONS = [
    f"/events?user_id=ann&limit=200&{RANGE}",
    f"/events?user_id=ann&limit=10&{RANGE}",
    f"/events?limit=200&{RANGE}",
    f"/events/export?{RANGE}",
    f"/stats/top-types?{RANGE}",
    f"/stats/timeseries?metric=users&interval=day&{RANGE}",
]
"""Queries with a range of time: a month's new partition could make them miss rows of the default one."""


def store_may(owner, rows=100):
    """Store events of ann in one May, half an hour apart from the 10th on, with counters and a row in `users`."""
    store(
        owner,
        *(
            {
                "user_id": "ann",
                "timestamp": datetime(2019, 5, 10 + n // 48, n // 2 % 24, n % 2 * 30, tzinfo=UTC),
                "event_type": ("view", "buy")[n % 2],
                "properties": '{"page": "a"}',
            }
            for n in range(rows)
        ),
    )


def asked(query, question):
    """The answer, without its time."""
    answer = requests.get(query.url + question, timeout=90)
    assert answer.status_code == 200, answer.text
    if question.startswith("/events/export"):
        return answer.text
    return {name: value for name, value in answer.json().items() if name != "as_of"}


@pytest.fixture
def second(postgres, database):
    """A second connection of the owner."""
    with psycopg.connect(postgres.url(database), autocommit=True, options="-c timezone=UTC") as connection:
        yield connection


@pytest.fixture
def start_query(start_service, postgres, database):
    """A function that starts a query service with more time for a statement than any test needs."""
    return lambda: start_service("query", DATABASE_URL=postgres.url(database, "query"), STATEMENT_SECONDS=60)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_that_waits_for_a_month_to_move_has_its_events(start_query, owner, second, question):
    query = start_query()
    nothing = asked(query, question)
    store_may(owner)
    expected = asked(query, question)
    assert expected != nothing
    fresh = start_query()  # without cached plans
    with second.transaction():
        assert make_partition(second, MAY) == 100
        asking = Meanwhile(lambda: asked(fresh, question))
        wait_until(lambda: waiting_for_locks(owner))
    assert asking.end() == expected


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("/stats/sessions?", "event_counts"),
        ("/stats/paths?", "event_counts"),
        ("/stats/top-properties?key=page&", "event_counts"),
        ("/stats/users?interval=day&", "users"),
        ("/stats/retention?", "users"),
        ("/users?source=default&", "event_counts"),
    ],
)
def test_a_snapshot_of_before_a_month_moves_has_its_events(start_query, owner, second, monkeypatch, path, table):
    """The query has its snapshot, and waits for a table before it reads the events. Meanwhile the month is moved, if possible."""
    monkeypatch.setattr(partitions, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(partitions, "ATTEMPTS", 10_000)
    store_may(owner)
    question = path + ("" if path.startswith("/users") else RANGE)
    expected = asked(start_query(), question)
    query = start_query()  # which keeps nothing of earlier questions
    held = psycopg.connect(owner.info.dsn)
    with held:
        held.execute(f"lock table {table} in access exclusive mode")
        asking = Meanwhile(lambda: asked(query, question))
        wait_until(lambda: waiting_for_locks(owner))
        moving = Meanwhile(lambda: make_partition(second, MAY))
        wait_until(lambda: not moving.is_alive() or waiting_for_locks(owner) >= 2)
    assert asking.end() == expected
    assert moving.end() == 100
    assert asked(query, question) == expected


@pytest.mark.parametrize("keep", [None, "1months"])
def test_who_writes_meanwhile_is_never_deadlocked(owner, second, keep):
    """An INSERT locks first `events` and then the partition. Code that makes or drops a partition does the same."""
    if keep:
        make_partition(owner, MAY)
    store_may(owner)
    partition = "events_2019_05" if keep else "events_default"
    change = (
        (lambda: delete_expired(second, find_expired(second, keep))) if keep else lambda: make_partition(second, MAY)
    )
    with psycopg.connect(owner.info.dsn) as writer:
        writer.execute("lock table only events in row exclusive mode")
        changing = Meanwhile(change)
        wait_until(lambda: waiting_for_locks(owner))
        writer.execute(f"lock table {partition} in row exclusive mode nowait")
    changing.end()
    there = owner.execute("select to_regclass('events_2019_05') is not null").fetchone()
    assert there == (keep is None,)
