"""With a synchronous standby, a 2xx means that the standby has the event, even if the wait for it is ended."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import requests
from replicas import ask_for, asked, standby_of
from waiting import wait_until

WAITING = "select pid from pg_stat_activity where wait_event = 'SyncRep' and application_name = 'collector'"


@pytest.fixture
def collector(start_service, own_postgres):
    """A collector that waits for long."""
    url = own_postgres.url("events", "collector")
    return start_service("collector", DATABASE_URL=url, STORE_SECONDS=60, STATEMENT_SECONDS=50)


@pytest.fixture
def post(collector):
    """Posts the same event each time; its status and what became of it."""
    event = {"user_id": "ann", "event_type": "view", "event_id": str(uuid.uuid4()), "timestamp": "2026-03-01T10:00:00Z"}

    def post():
        answer = requests.post(f"{collector.url}/events", json=event, timeout=90)
        return answer.status_code, answer.json().get("code") or answer.json()["status"]

    return post


def end_wait(server, function):
    """End the wait for the standby with a function of PostgreSQL; the process that waited."""
    wait_until(lambda: asked(server, WAITING), "the collector waits for the standby")
    ((pid,),) = [asked(server, WAITING)]
    asked(server, f"select {function}(%s)", pid)
    return pid


def test_a_wait_that_is_cancelled_is_a_503_and_the_resend_waits(own_postgres, post):
    ask_for(own_postgres, "absent")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(post)
        end_wait(own_postgres, "pg_cancel_backend")
        assert first.result() == (503, "not_replicated")
        again = pool.submit(post)
        wait_until(lambda: again.done() or asked(own_postgres, WAITING), "the resend waits for the standby")
        assert not again.done(), again.result()
        ask_for(own_postgres, "")
        assert again.result() == (200, "duplicate")


def test_a_connection_that_is_ended_while_it_waits_is_no_reason_to_acknowledge(own_postgres, post):
    ask_for(own_postgres, "absent")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(post)
        ended = end_wait(own_postgres, "pg_terminate_backend")
        wait_until(lambda: first.done() or asked(own_postgres, WAITING) not in (None, (ended,)), "it tries again")
        assert not first.done(), first.result()
        ask_for(own_postgres, "")
        assert first.result() == (200, "duplicate")


def test_after_a_crash_of_the_primary_a_resend_waits_for_the_standby(own_postgres, post):
    with standby_of(own_postgres) as standby, ThreadPoolExecutor(1) as pool:
        ask_for(own_postgres, "FIRST 1 (b)")
        standby.cut()
        first = pool.submit(post)
        wait_until(lambda: asked(own_postgres, WAITING), "it waits for the standby")
        own_postgres.stop("immediate")
        own_postgres.start()
        # What was committed on the disk alone is there after the crash.
        with psycopg.connect(own_postgres.url("events"), autocommit=True) as owner:
            assert owner.execute("select count(*) from events").fetchone() == (1,)
        wait_until(lambda: first.done() or asked(own_postgres, WAITING), "it waits again")
        while first.done() and first.result()[0] == 503:  # there was no server for a while
            first = pool.submit(post)
            wait_until(lambda f=first: f.done() or asked(own_postgres, WAITING), "it waits again")
        assert not first.done(), first.result()
        standby.mend()
        assert first.result() == (200, "duplicate")
        with psycopg.connect(standby.url("events"), autocommit=True) as owner:
            wait_until(lambda: owner.execute("select count(*) from events").fetchone() == (1,), "the standby has it")
