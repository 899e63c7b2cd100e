"""Events that are stored while their month gets its own partition."""

import psycopg
import pytest
import requests
from lock_waits import waiting_for_locks
from meanwhile import Meanwhile
from waiting import wait_until

from event_tracker.cli.database.partitions import Month, make_partition

ANN = {"user_id": "ann", "event_type": "view", "timestamp": "2019-05-10T12:30:00Z"}


@pytest.fixture
def second(postgres, database):
    """Another connection of the owner."""
    with psycopg.connect(postgres.url(database), autocommit=True, options="-c timezone=UTC") as connection:
        yield connection


def attach_by_hand(connection):
    """As an operator may do it, or the release before: the default partition is locked, `events` isn't."""
    connection.execute("create table events_2019_05 (like events including all)")
    connection.execute("lock table only events_default in exclusive mode")
    connection.execute(
        "with moved as (delete from events_default where timestamp >= '2019-05-01' and timestamp < '2019-06-01' returning *)"
        " insert into events_2019_05 select * from moved"
    )
    connection.execute(
        "alter table events attach partition events_2019_05 for values from ('2019-05-01 00:00+00') to ('2019-06-01 00:00+00')"
    )


def move_may(connection):
    make_partition(connection, Month(2019, 5))


@pytest.fixture
def collector(start_service, postgres, database):
    """One with more time to store than any test needs."""
    return start_service(
        "collector", DATABASE_URL=postgres.url(database, "collector"), STORE_SECONDS=60, STATEMENT_SECONDS=50
    )


def post(collector, events):
    return requests.post(f"{collector.url}/events", json=events, timeout=90)


@pytest.mark.parametrize("move", [attach_by_hand, move_may])
@pytest.mark.parametrize("size", [1, 5])
def test_events_that_wait_for_their_month_to_move_are_stored(collector, owner, second, move, size):
    assert post(collector, ANN).status_code == 201  # the connection has planned the statement
    with second.transaction():
        move(second)
        posting = Meanwhile(lambda: post(collector, [ANN] * size if size > 1 else ANN))
        wait_until(lambda: waiting_for_locks(owner))
    answer = posting.end()
    assert answer.status_code == (201 if size == 1 else 200), answer.text
    assert owner.execute("select count(*) from events_2019_05").fetchone() == (1 + size,)
    assert owner.execute("select sum(count) from event_counts").fetchone() == (1 + size,)
    assert owner.execute("select count(*) from rejections").fetchone() == (0,)
    metrics = requests.get(f"{collector.url}/metrics", timeout=30).text
    assert 'code="not_storable"' not in metrics


def test_an_event_that_no_partition_takes_is_refused_after_some_tries(collector, owner):
    owner.execute("drop table events_default")
    answer = post(collector, ANN)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "not_storable")
