"""Standbys, failovers and restarts: rows that were read from one server are never taken for another's."""

from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from replicas import standby_of
from stored import BY_DAY, EVERYTHING, Stored
from waiting import wait_until

from event_tracker.columns.engine import Engine
from event_tracker.core.postgres.pool import open_pool


@pytest.fixture
def primary(own_postgres, tmp_path):
    with psycopg.connect(own_postgres.url("events"), autocommit=True, options="-c timezone=UTC") as owner:
        yield Stored(owner, tmp_path)


@contextmanager
def engine_of(server, folder):
    with (
        open_pool(server.url("events", "query"), name="query", size=2, timeout=10, options={}) as pool,
        Engine(pool, folder, seconds=60) as engine,
    ):
        yield engine


def ask(engine):
    return engine.run(EVERYTHING, BY_DAY, {}, explain=True)


def link(owner, alias):
    owner.execute(
        "insert into links (source, alias, person, at, event_id) values ('default', %s, 'ann', now(), gen_random_uuid())",
        [alias],
    )


def persons(engine):
    """How many there are."""
    ((count,),) = engine.run(replace(EVERYTHING, linked=True), "select count(distinct user_id) from events", {}).rows
    return count


def test_a_standby_follows_links(own_postgres, primary, tmp_path):
    for user_id in ("ann", "a1", "a2"):
        primary.add(user_id=user_id)
    with standby_of(own_postgres) as standby, engine_of(standby, tmp_path / "cache") as engine:
        assert persons(engine) == 3
        for number, alias in enumerate(("a1", "a2"), 1):
            link(primary.owner, alias)
            with psycopg.connect(standby.url("events"), autocommit=True) as replayed:
                wait_until(lambda n=number: replayed.execute("select count(*) from links").fetchone() == (n,))
            assert persons(engine) == 3 - number


def test_after_a_crash_links_are_read_again(own_postgres, tmp_path):
    """A transaction's number may be used again for another one after a failover."""
    with psycopg.connect(own_postgres.url("events"), autocommit=True, options="-c timezone=UTC") as owner:
        stored = Stored(owner, tmp_path)
        for user_id in ("ann", "a1", "a2"):
            stored.add(user_id=user_id)
        link(owner, "a1")
    with engine_of(own_postgres, tmp_path / "cache") as engine:
        assert persons(engine) == 2
        (before,) = engine._loader.links._known
        own_postgres.stop("immediate")
        own_postgres.start()
        with psycopg.connect(own_postgres.url("events"), autocommit=True) as owner:
            # As on a server that has gone another way: with a number that was seen.
            owner.execute("update links set removed_at = now(), changed = '1'")
        assert persons(engine) == 3
        engine.refresh()
        assert before not in engine._loader.links._known


def test_a_standby_reads_what_was_added(own_postgres, primary, tmp_path):
    primary.add(100, hour=3)
    primary.add(100, day=1)
    primary.build(1)
    with standby_of(own_postgres) as standby, engine_of(standby, tmp_path / "cache") as engine:
        assert ask(engine).rows == primary.rows()
        primary.add(5, hour=3)
        with psycopg.connect(standby.url("events"), autocommit=True) as replayed:
            wait_until(lambda: replayed.execute("select count(*) from events").fetchone() == (205,))
        result = ask(engine)
        assert result.rows == primary.rows()
        assert result.plan.rows_read == 5


def test_after_a_crash_rows_are_read_again(own_postgres, tmp_path):
    with psycopg.connect(own_postgres.url("events"), autocommit=True, options="-c timezone=UTC") as owner:
        Stored(owner, tmp_path).add(100, hour=3)
    with engine_of(own_postgres, tmp_path / "cache") as engine:
        before = ask(engine)
        assert ask(engine).plan.rows_read == 0
        names = set(engine._cache.names)
        own_postgres.stop("immediate")
        own_postgres.start()
        after = ask(engine)
        assert after.rows == before.rows
        assert after.plan.rows_read == 100
        engine.refresh()
        assert engine._cache.names
        assert set(engine._cache.names).isdisjoint(names)
