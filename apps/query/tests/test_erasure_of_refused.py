"""Refused events wait in a collector's memory before they are written. Those of a user who is erased meanwhile aren't written."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
import requests
from lock_waits import waiting_for_locks
from meanwhile import Meanwhile
from storing import store
from waiting import wait_until
from world import World

from event_tracker.collector.rejections.recorder import PendingRejection, read_clock, write
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.model.storing.keep_rejections import NewRejection

COLLECTOR = load_queries("event_tracker.collector")
ERASURE = load_queries("event_tracker.query.users")
COUNT_RECENT = "select count(*) from recent_erasures"


@pytest.fixture
def world(postgres, database, start_service, owner):
    return World(postgres, database, start_service, owner)


@pytest.fixture
def other(owner):
    """A transaction of somebody else."""
    with psycopg.connect(owner.info.dsn) as connection:
        yield connection


def refuse(world, user_id, write_key=None):
    headers = {"X-Write-Key": write_key} if write_key else {}
    answer = requests.post(f"{world.collector.url}/events", json={"user_id": user_id}, headers=headers, timeout=30)
    assert answer.status_code == 422


def kept(world):
    return world.owner.execute("select user_id, source from rejections order by 1, 2").fetchall()


def keep(connection, *user_ids, source="shop", waited=timedelta(0), clock_is_ahead=timedelta(0)):
    """Write refused events as a collector does; how many were left out."""
    since, received_at = read_clock() - waited.total_seconds(), datetime.now(UTC) - waited + clock_is_ahead
    row = {"source": source, "received_at": received_at, "reason": "required", "detail": [], "event_type": None}
    refused = [NewRejection(id=uuid4(), user_id=user_id, payload=b"{}", is_whole=True, **row) for user_id in user_ids]
    return write(connection, [PendingRejection(one, since) for one in refused])


def announce(connection, user_id, sources=None):
    connection.execute(ERASURE["announce_turn"])
    row = {"salt": secrets.token_bytes(16), "user_ids": [user_id], "sources": sources}
    connection.execute(ERASURE["announce"], row, binary=True)


@pytest.mark.parametrize("mode", ["erase", "anonymise"])
def test_what_was_refused_before_an_erasure_is_not_written_after_it(world, mode):
    refuse(world, "ann")
    world.erase("ann", mode=mode).raise_for_status()
    refuse(world, "bob")
    wait_until(lambda: ("bob", "default") in kept(world))
    assert kept(world) == [("bob", "default")]


def test_nor_is_what_waited_for_a_database_that_was_away(own_postgres, start_service):
    with psycopg.connect(own_postgres.url("events"), autocommit=True) as owner:
        world = World(own_postgres, "events", start_service, owner)
        wait_until(lambda: knows(world, None))
        admin = world.admin()
    own_postgres.stop("immediate")
    refuse(world, "ann")
    refuse(world, "bob")
    wait_until(lambda: "can't keep refused events" in world.collector.log.read_text())
    own_postgres.start()
    wait_until(lambda: world.erase("ann", admin).status_code == 200)
    with psycopg.connect(own_postgres.url("events"), autocommit=True) as world.owner:
        wait_until(lambda: kept(world) == [("bob", "default")])


@pytest.fixture
def unwritable(owner):
    """Whoever writes a refused event hears that the database is shutting down."""
    owner.execute(
        """create function refuse() returns trigger language plpgsql as $$
           begin raise exception 'no' using errcode = 'admin_shutdown'; end $$"""
    )
    owner.execute("create trigger refuse before insert on rejections for each row execute function refuse()")


def test_an_erasure_of_some_sources_leaves_what_others_refused(world, unwritable):
    shop, blog = world.make_source("shop"), world.make_source("blog")
    wait_until(lambda: knows(world, shop) and knows(world, blog))
    for user_id in ("ann", "bob", "cem"):
        refuse(world, user_id, shop)
        refuse(world, user_id, blog)
    wait_until(lambda: "can't keep refused events" in world.collector.log.read_text())
    assert world.erase("ann").json()["counts"]["rejections"] == 0
    assert world.erase("bob", world.admin("shop")).json()["counts"]["rejections"] == 0
    world.owner.execute("drop trigger refuse on rejections")
    wait_until(lambda: ("cem", "shop") in kept(world))
    assert kept(world) == [("bob", "blog"), ("cem", "blog"), ("cem", "shop")]
    wait_until(lambda: metric(world, "collector_rejections_kept_total") == 3)
    assert metric(world, "collector_rejections_dropped_total") == 3


def metric(world, name):
    lines = requests.get(f"{world.collector.url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def knows(world, write_key):
    answer = requests.post(
        f"{world.collector.url}/events",
        json={"user_id": "ann"},
        params={"dry_run": "true"},
        headers={"X-Write-Key": write_key} if write_key else {},
        timeout=30,
    )
    return answer.status_code == 422


def test_an_erasure_deletes_what_is_being_written(world, other):
    assert keep(other, "ann") == 0
    erasing = Meanwhile(lambda: world.erase("ann"))
    wait_until(lambda: waiting_for_locks(world.owner) or not erasing.is_alive())
    other.commit()
    assert erasing.end().json()["counts"]["rejections"] == 1
    assert kept(world) == []


def test_who_begins_to_write_before_an_erasure_is_announced_sees_it(world, other):
    with psycopg.connect(world.postgres.url(world.database, "collector")) as writer:
        writer.execute("select 1 from rejections")  # the transaction is older than the erasure
        announce(other, "ann")
        writing = Meanwhile(lambda: keep(writer, "ann"))
        wait_until(lambda: waiting_for_locks(world.owner) or not writing.is_alive())
        other.commit()
        assert writing.end() == 1
    assert kept(world) == []


def test_an_erasure_that_takes_long_holds_no_refused_event_up(world, other):
    other.execute("lock table audit in access exclusive mode")  # what it writes last
    erasing = Meanwhile(lambda: world.erase("ann"))
    wait_until(lambda: waiting_for_locks(world.owner) or not erasing.is_alive())
    refuse(world, "bob")
    wait_until(lambda: kept(world) == [("bob", "default")])
    other.rollback()
    erasing.end().raise_for_status()


def test_only_what_came_in_before_and_of_the_erased_sources_is_left_out(world, other):
    announce(other, "ann", ["shop"])
    assert keep(other, "ann") == 1
    assert keep(other, "ann", source="blog") == 0
    assert keep(other, "ann", waited=timedelta(minutes=-2)) == 0  # it comes in two minutes from now
    assert keep(other, "bob") == 0
    assert keep(other, None) == 0


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(days=-1)])
def test_a_collector_s_clock_does_not_say_what_is_left_out(other, ahead):
    announce(other, "ann")
    assert keep(other, "ann", waited=timedelta(minutes=5), clock_is_ahead=ahead) == 1
    assert keep(other, "ann", waited=timedelta(minutes=-2), clock_is_ahead=ahead) == 0


def test_time_that_is_spent_waiting_for_an_erasure_makes_no_event_later(world, other):
    """An event that came in before the lock was asked for came in before whatever was announced meanwhile."""
    other.execute(ERASURE["announce_turn"])
    with psycopg.connect(world.postgres.url(world.database, "collector")) as writer:
        writing = Meanwhile(lambda: keep(writer, "ann"))
        wait_until(lambda: waiting_for_locks(world.owner))
        announce(other, "ann")
        # What is allowed for clocks is used up.
        other.execute("update recent_erasures set at = at - interval '1 minute'")
        other.commit()
        assert writing.end() == 1


def test_events_are_hashed_once_for_the_erasures_of_an_hour(other):
    other.execute("set track_functions = 'all'")
    other.execute("create schema counting")
    other.execute(
        """create function counting.sha256(given bytea) returns bytea language plpgsql immutable as $$
           begin return pg_catalog.sha256(given); end $$"""
    )
    other.execute("set search_path = counting, pg_catalog, public")
    for number in range(100):
        announce(other, f"user-{number}")
    hashed = "select calls from pg_stat_xact_user_functions where schemaname = 'counting'"
    ((before,),) = other.execute(hashed).fetchall()
    assert keep(other, *(f"user-{number}" for number in range(50, 250))) == 50
    ((after,),) = other.execute(hashed).fetchall()
    assert after - before <= 2 * 200  # two salts, if the hour ended meanwhile


def test_erasures_of_different_hours_have_different_salts(other):
    for _ in range(3):
        announce(other, "ann")
        other.execute("update recent_erasures set at = at - interval '1 hour'")
    assert len(other.execute("select distinct salt from recent_erasures").fetchall()) == 3


def test_that_somebody_was_erased_is_remembered_for_two_hours(world):
    world.erase("ann").raise_for_status()
    world.owner.execute("update recent_erasures set at = now() - interval '121 minutes'")
    world.erase("bob").raise_for_status()
    assert world.owner.execute(COUNT_RECENT).fetchone() == (1,)
    world.maintain()
    assert world.owner.execute(COUNT_RECENT).fetchone() == (1,)
    world.owner.execute("update recent_erasures set at = now() - interval '121 minutes'")
    world.maintain()
    assert world.owner.execute(COUNT_RECENT).fetchone() == (0,)


@pytest.mark.parametrize("is_stored", [True, False])
def test_an_erasure_waits_for_a_replay_and_deletes_what_it_stored(world, other, is_stored):
    world.collector.stop()
    world.reject("ann", "default", json.dumps({"user_id": "ann"}).encode())
    world.owner.execute("update rejections set replay_requested_at = now()")
    ((number, *_),) = other.execute(COLLECTOR["take_replays"], {"most": 10}).fetchall()
    erasing = Meanwhile(lambda: world.erase("ann"))
    wait_until(lambda: waiting_for_locks(world.owner) or not erasing.is_alive())
    if is_stored:
        with psycopg.connect(world.owner.info.dsn, autocommit=True) as writer:
            store(writer, {"user_id": "ann", "timestamp": datetime.now(UTC)})
        other.execute(COLLECTOR["forget_rejections"], {"ids": [number]})
    else:
        other.execute(COLLECTOR["refuse_again"], {"ids": [number], "reasons": ["required"], "details": ["[]"]})
    other.commit()
    counts = erasing.end().json()["counts"]
    assert (counts["events"], counts["rejections"]) == ((1, 0) if is_stored else (0, 1))
    assert world.owner.execute("select count(*) from events").fetchone() == (0,)
    assert kept(world) == []


def test_a_replay_that_breaks_off_brings_nobody_back(world, other):
    """Its session is ended while it stores. If that went on elsewhere, the event would outlive the erasure."""
    world.owner.execute(
        """create function wait_in_line() returns trigger language plpgsql as $$
           begin perform pg_advisory_xact_lock_shared(99); return new; end $$"""
    )
    world.owner.execute(
        "create trigger wait_in_line before insert on events for each row execute function wait_in_line()"
    )
    other.execute("select pg_advisory_xact_lock(99)")
    world.reject("ann", "default", json.dumps({"user_id": "ann", "event_type": "view"}).encode())
    world.owner.execute("update rejections set replay_requested_at = now()")
    wait_until(lambda: waiting_for_locks(world.owner))
    world.owner.execute("select pg_terminate_backend(pid, 60000) from pg_locks where relation = 'rejections'::regclass")
    world.collector.kill()
    assert world.erase("ann").json()["counts"]["rejections"] == 1
    other.commit()
    sessions = (
        "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'collector'"
    )
    wait_until(lambda: world.owner.execute(sessions).fetchone() == (0,))
    assert world.owner.execute("select count(*) from events").fetchone() == (0,)
