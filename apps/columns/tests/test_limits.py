"""Limits of questions: time, memory, disk, and what a statement may reach. The next question works."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import gevent
import psycopg
import pytest
from stored import BY_DAY, EVERYTHING

from event_tracker.columns.engine import CopyTooLargeError, Deadline, Engine, Table
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import UNAVAILABLE, open_pool

ENDLESS = "select count(*) from range(1_000_000_000_000) as a (x) where x % 7 = 3"
LARGE = "select count(distinct a.x::varchar || repeat('x', 100)) from range(3_000_000) as a (x)"


def test_a_question_ends_at_its_deadline(stored, open_engine):
    stored.add(100)
    engine = open_engine(seconds=1)
    with pytest.raises(Problem) as refusal:
        engine.run(EVERYTHING, ENDLESS, {})
    assert (refusal.value.status, refusal.value.code) == (504, "statement_timeout")
    assert engine._cache._uses == {}
    engine = open_engine()
    assert engine.run(EVERYTHING, BY_DAY, {}).rows == stored.rows()


def test_loading_counts(stored, open_engine, owner):
    stored.add(100)
    engine = open_engine(seconds=0.5)
    with owner.transaction():
        owner.execute("lock table event_counts in access exclusive mode")
        with pytest.raises(Problem) as refusal:
            engine.run(EVERYTHING, BY_DAY, {})
    assert (refusal.value.status, refusal.value.code) == (504, "statement_timeout")


def test_a_question_that_needs_too_much_memory(stored, open_engine):
    stored.add(100)
    engine = open_engine(memory_bytes=64 * 2**20, cache_bytes=2**20)
    with pytest.raises(Problem) as refusal:
        engine.run(EVERYTHING, LARGE, {})
    assert (refusal.value.status, refusal.value.code) == (503, "too_large")
    assert engine.run(EVERYTHING, BY_DAY, {}).rows == stored.rows()


def test_a_question_that_spills(stored, open_engine):
    engine = open_engine(memory_bytes=100 * 2**20, cache_bytes=2**32)
    assert engine.run(EVERYTHING, LARGE, {}).rows == [(3_000_000,)]
    assert list(Path(engine._cache.folder).glob("spill/*.tmp")) == []


def test_a_copy_that_is_too_large_ends_while_it_is_written(stored, open_engine):
    """Long before all of it is written, which would take hours and a terabyte."""
    stored.add(100)
    engine = open_engine()
    table = Table("events", "select hash(i) as h, i from range(100_000_000_000) as a (i)", {})
    with pytest.raises(CopyTooLargeError):
        engine.export(EVERYTHING, [table], Deadline(60), 2**22)
    assert list(Path(engine._cache.folder).rglob("*.duckdb*")) == []
    small = Table("events", "select user_id from events", {})
    with pytest.raises(CopyTooLargeError):
        engine.export(EVERYTHING, [small], Deadline(60), 1000)
    _, file = engine.export(EVERYTHING, [small], Deadline(60), 2**22)
    assert file.stat().st_size <= 2**22


def test_a_wrong_statement_is_an_error_and_no_reason_to_read_again(stored, engine):
    stored.add(100)
    engine.run(EVERYTHING, BY_DAY, {})
    with pytest.raises(duckdb.BinderException):
        engine.run(EVERYTHING, "select nothing from events", {})
    assert engine.run(EVERYTHING, BY_DAY, {}, explain=True).plan.rows_read == 0


@pytest.mark.parametrize(
    "statement",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/hostname')",
        "copy (select 1) to '/tmp/written.csv'",
        "attach '/tmp/other.db'",
        "install httpfs",
        "load httpfs",
        "select * from read_parquet('https://example.com/x.parquet')",
        "set enable_external_access = true",
        "set memory_limit = '100GB'",
        "set allowed_directories = ['/']",
        "pragma threads = 64",
    ],
)
def test_a_statement_reaches_nothing_else(engine, statement):
    with pytest.raises(duckdb.Error):
        engine.run(EVERYTHING, statement, {})


def test_without_postgresql(own_postgres, tmp_path):
    with (
        open_pool(own_postgres.url("events", "query"), name="query", size=1, timeout=2, options={}) as pool,
        Engine(pool, tmp_path / "cache") as engine,
    ):
        assert engine.run(EVERYTHING, BY_DAY, {}).rows == []
        own_postgres.stop("immediate")
        with pytest.raises(UNAVAILABLE):
            engine.run(EVERYTHING, BY_DAY, {})
        own_postgres.start()
        assert engine.run(EVERYTHING, BY_DAY, {}).rows == []


def test_the_connection_is_returned_before_duckdb_runs(stored, postgres, database, tmp_path):
    stored.add(100)
    with (
        open_pool(postgres.url(database, "query"), name="query", size=1, timeout=5, options={}) as pool,
        Engine(pool, tmp_path / "cache", seconds=5) as engine,
        ThreadPoolExecutor(1) as executor,
    ):
        slow = executor.submit(engine.run, EVERYTHING, ENDLESS, {})
        while not engine._cache._uses:
            pass
        with pool.connection() as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        assert not slow.done()
        assert isinstance(slow.exception(), Problem)


def test_questions_at_once_while_events_arrive(stored, open_engine, postgres, database):
    """Each answer is of one moment: it has all that was stored before it was asked, and nothing twice."""
    stored.add(500)
    stored.add(500, day=1, source="shop")
    stored.build()
    engine = open_engine()
    count = "select count(*), count(distinct event_id) from events"

    def ask(_: int) -> tuple[int, int, int]:
        with psycopg.connect(postgres.url(database)) as connection:
            ((before,),) = connection.execute("select count(*) from events").fetchall()
        return before, *engine.run(EVERYTHING, count, {}).rows[0]

    with ThreadPoolExecutor(4) as executor:
        answers = executor.map(ask, range(60))
        for number in range(30):
            stored.add(3, hour=number % 4)
        for before, events, distinct in answers:
            assert before <= events == distinct
    assert engine.run(EVERYTHING, BY_DAY, {}).rows == stored.rows()


def test_other_requests_are_served_meanwhile(open_engine):
    engine = open_engine(seconds=1)
    served = []

    def serve():
        while True:
            served.append(1)
            gevent.sleep(0.001)

    serving = gevent.spawn(serve)
    with pytest.raises(Problem):
        engine.run(EVERYTHING, ENDLESS, {})
    serving.kill()
    assert len(served) > 10


def test_a_question_whose_caller_is_killed_ends(stored, engine):
    stored.add(100)
    asking = gevent.spawn(engine.run, EVERYTHING, ENDLESS, {})
    while not engine._cache._uses:
        gevent.sleep(0.001)
    asking.kill()
    assert engine._cache._uses == {}
    assert engine.run(EVERYTHING, BY_DAY, {}).rows == stored.rows()
