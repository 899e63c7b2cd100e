"""Responses while the database is slow, locked, unavailable, or available again."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
import requests
from lock_waits import waiting_for_locks
from waiting import wait_until

from event_tracker.core.postgres.pool import open_pool
from event_tracker.query.concurrency import TURN_SECONDS
from event_tracker.query.events.store import BATCHES_AT_ONCE, SESSION_SETTINGS

QUESTIONS = {
    "one user": "/events?user_id=ann",
    "one user, a large page": "/events?user_id=ann&limit=1000",
    "one user, filtered": "/events?user_id=ann&event_type=view",
    "everybody": "/events",
    "top types": "/stats/top-types?from=2026-03-01T10:30:00Z",
}

RETRY_SECONDS = 60


@contextmanager
def locked(owner: psycopg.Connection, table: str = "events") -> Iterator[None]:
    """Nobody else can read the table."""
    with owner.transaction():
        owner.execute(f"lock table {table} in access exclusive mode".encode())
        yield


def ask_all(service, times=1):
    """Every question, several at once; their answers."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda path: requests.get(service.url + path, timeout=30), [*QUESTIONS.values()] * times))


def test_a_question_that_takes_too_long_is_a_504(start_service, postgres, database, owner):
    # Nobody waits for a turn; and when nothing is in the way, that is time enough on a slow machine, too.
    url = postgres.url(database, "query")
    impatient = start_service("query", DATABASE_URL=url, POOL_MAX=10, STATEMENT_SECONDS=3)
    with locked(owner):
        answers = ask_all(impatient)
        for answer in answers:
            assert answer.status_code == 504, answer.text
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["code"] == "statement_timeout"
    assert [answer.status_code for answer in ask_all(impatient)] == [200] * len(QUESTIONS)


def test_a_question_waits_for_a_lock_that_is_soon_gone(query, owner):
    with ThreadPoolExecutor(1) as pool:
        with locked(owner):
            asked = pool.submit(requests.get, f"{query.url}/events?user_id=ann", timeout=30)
            wait_until(lambda: waiting_for_locks(owner, columns=False) == 1)
            assert not asked.done()
        assert asked.result().status_code == 200


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_between_questions_is_not_noticed(start_service, own_postgres, mode):
    service = start_service("query", DATABASE_URL=own_postgres.url("events", "query"))
    assert {answer.status_code for answer in ask_all(service, 4)} == {200}
    own_postgres.stop(mode)
    own_postgres.start()
    assert [answer.status_code for answer in ask_all(service)] == [200] * len(QUESTIONS)


def test_a_database_that_is_away_is_a_503_until_it_is_back(start_service, own_postgres):
    service = start_service("query", DATABASE_URL=own_postgres.url("events", "query"))
    assert {answer.status_code for answer in ask_all(service)} == {200}
    own_postgres.stop()
    started = time.monotonic()
    for answer in ask_all(service):
        assert answer.status_code == 503, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["code"] == "database_unavailable"
    assert time.monotonic() - started < 20, "a pool that isn't told how long waits for 30 s"
    assert requests.get(f"{service.url}/readyz", timeout=30).status_code == 200
    assert requests.get(f"{service.url}/healthz", timeout=30).status_code == 503
    own_postgres.start()
    deadline = time.monotonic() + RETRY_SECONDS
    while requests.get(f"{service.url}/events", timeout=30).status_code != 200:
        assert time.monotonic() < deadline, "the service doesn't come back"
        time.sleep(0.2)
    assert [answer.status_code for answer in ask_all(service)] == [200] * len(QUESTIONS)


def test_a_database_that_was_never_there_is_a_503_until_it_is(start_service, own_postgres):
    url = own_postgres.url("events", "query")
    own_postgres.stop()
    service = start_service("query", DATABASE_URL=url, wait=False)
    deadline = time.monotonic() + 30
    while True:
        try:
            answer = requests.get(f"{service.url}/events?user_id=ann", timeout=30)
            break
        except requests.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert answer.status_code == 503
    assert requests.get(f"{service.url}/readyz", timeout=30).status_code == 503
    own_postgres.start()
    service.wait_ready()
    assert requests.get(f"{service.url}/events?user_id=ann", timeout=30).status_code == 200


def test_the_query_role_can_only_read(postgres, database):
    with psycopg.connect(postgres.url(database, "query"), autocommit=True) as connection:
        assert connection.execute("select count(*) from events, event_counts").fetchone() == (0,)
        for attempt in (
            "insert into events (user_id, timestamp, event_id, event_type) values ('a', now(), gen_random_uuid(), 'b')",
            "update events set event_type = 'x'",
            "delete from event_counts",
            "truncate events",
            "create table mine (a int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(attempt)


def test_sessions_are_read_only_whoever_they_belong_to(postgres, database):
    pool = open_pool(postgres.url(database), name="test", size=1, timeout=30, options=SESSION_SETTINGS)
    with pool, pool.connection() as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("delete from events")


def test_slow_questions_leave_connections_for_pages(start_service, postgres, database, owner):
    """Counts that wait for a lock take their turns; pages of one user are answered beside them."""
    url, turns = postgres.url(database, "query"), 2
    service = start_service("query", DATABASE_URL=url, POOL_MAX=BATCHES_AT_ONCE + turns, STATEMENT_SECONDS=60)
    owner.execute("insert into event_counts values ('2026-03-01 10:00+00', 'view', 'default', 0, 1)")
    with ThreadPoolExecutor(12) as pool:
        with locked(owner, "event_counts"):
            slow = [
                pool.submit(requests.get, f"{service.url}/stats/top-types?limit={n}", timeout=90) for n in range(1, 13)
            ]
            wait_until(lambda: waiting_for_locks(owner, columns=False) == turns)
            for _ in range(5):
                assert requests.get(f"{service.url}/events?user_id=ann", timeout=30).status_code == 200
            assert waiting_for_locks(owner, columns=False) == turns
        answers = [one.result() for one in slow]
    # Turns come soon enough for all, unless the machine stalls: then some have waited for one as long as they may.
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(answers) - len(refused) >= turns
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} <= {(503, "busy")}
    assert all(answer.elapsed.total_seconds() > TURN_SECONDS - 1 for answer in refused)


def test_too_many_slow_questions_are_a_503(start_service, postgres, database, owner):
    # Those that run hold their turns for longer than the others wait.
    query = start_service("query", DATABASE_URL=postgres.url(database, "query"), STATEMENT_SECONDS=3 * TURN_SECONDS)
    with ThreadPoolExecutor(8) as pool:
        with locked(owner):
            asked = [pool.submit(requests.get, f"{query.url}/events?session_id={n}", timeout=30) for n in range(8)]
            answers = [one.result() for one in asked]
        assert {answer.status_code for answer in answers} <= {503, 504}
        refused = [answer for answer in answers if answer.status_code == 503]
        assert refused
        assert {answer.json()["code"] for answer in refused} == {"busy"}
        assert all("Retry-After" in answer.headers for answer in refused)
