"""Events that are stored while their user is erased: afterwards each user with events has a row, and it fits these events."""

from datetime import UTC, datetime

import psycopg
import pytest
import requests
from lock_waits import waiting_for_locks
from meanwhile import Meanwhile
from storing import store
from waiting import wait_until
from world import World, an_event, life_of

DURING = {"user_id": "ann", "timestamp": datetime(2026, 3, 2, 12, 30, tzinfo=UTC)}
"""In the middle of ann's life, in an hour in which nobody else did anything: of ann, everything is known already."""


@pytest.fixture
def world(postgres, database, start_service, owner):
    return World(postgres, database, start_service, owner)


@pytest.fixture
def other(owner):
    """A transaction of somebody else."""
    with psycopg.connect(owner.info.dsn) as connection:
        yield connection


def known(owner):
    """What is known of each user, and what their events say."""
    by_row = owner.execute("select user_id, first_seen, last_hour from users order by 1").fetchall()
    by_events = owner.execute(
        """select user_id, min("timestamp"), date_trunc('hour', max("timestamp")) from events group by 1 order by 1"""
    ).fetchall()
    return by_row, by_events


def wait_for(world, asking):
    wait_until(lambda: waiting_for_locks(world.owner) or not asking.is_alive())


@pytest.mark.parametrize("mode", ["erase", "anonymise"])
def test_a_user_with_an_event_that_was_under_way_stays_known(world, other, mode):
    world.send(life_of("ann") + life_of("bob"))
    store(other, DURING, slot=9)
    asking = Meanwhile(lambda: world.erase("ann", mode=mode))
    wait_for(world, asking)
    other.commit()
    assert asking.end().json()["counts"]["events"] == 15
    by_row, by_events = known(world.owner)
    assert by_row == by_events
    user = requests.get(f"{world.query.url}/users/ann", headers=world.admin(), timeout=60).json()
    assert user["events"] == 1
    listed = requests.get(f"{world.query.url}/users", headers=world.admin(), timeout=60).json()["users"]
    assert "ann" in [user["user_id"] for user in listed]


@pytest.mark.parametrize("mode", ["erase", "anonymise"])
def test_a_user_of_two_sources_stays_known_by_what_was_under_way(world, other, mode):
    world.send(life_of("ann"), world.make_source("shop"))
    world.send([an_event("ann", "2026-03-05T12:00:00Z", 1)], world.make_source("blog"))
    store(other, {**DURING, "source": "blog"}, slot=9)
    asking = Meanwhile(lambda: world.erase("ann", world.admin("shop"), mode=mode))
    wait_for(world, asking)
    other.commit()
    assert asking.end().json()["counts"]["events"] == 15
    by_row, by_events = known(world.owner)
    assert by_row == by_events


@pytest.mark.parametrize("mode", ["erase", "anonymise"])
def test_an_event_that_comes_when_its_user_is_gone_makes_them_known(world, other, mode):
    world.send(life_of("ann") + life_of("bob"))
    with psycopg.connect(world.owner.info.dsn, autocommit=True) as collector:
        # What an erasure does last is to write down that it was done.
        other.execute("lock table audit in access exclusive mode")
        asking = Meanwhile(lambda: world.erase("ann", mode=mode))
        wait_for(world, asking)
        storing = Meanwhile(lambda: store(collector, DURING, slot=9))
        wait_until(lambda: not storing.is_alive() or waiting_for_locks(world.owner) == 2)
        other.commit()
        storing.end()
    assert asking.end().json()["counts"]["events"] == 15
    by_row, by_events = known(world.owner)
    assert by_row == by_events


def test_an_anonymous_user_is_known_by_their_events_alone(world, other):
    world.send(life_of("ann"))
    world.maintain()
    with psycopg.connect(world.owner.info.dsn) as collector:
        store(collector, {**DURING, "timestamp": datetime(2026, 2, 1, 12, 30, tzinfo=UTC)}, slot=9)
        other.execute("select from visits for update")
        asking = Meanwhile(lambda: world.erase("ann", mode="anonymise"))
        wait_for(world, asking)
        collector.commit()
        other.commit()
    assert asking.end().json()["counts"]["events"] == 15
    by_row, by_events = known(world.owner)
    assert by_row == by_events
