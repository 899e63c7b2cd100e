"""Whose events were erased is noted for relays that have passed them on, and for nobody else."""

import pytest
from world import World, an_event, life_of


@pytest.fixture
def world(postgres, database, start_service, owner):
    world = World(postgres, database, start_service, owner)
    world.send(life_of("ann") + life_of("bob"))
    return world


def noted(world):
    return world.owner.execute("select relay, user_id, sources from relay_erasures order by id").fetchall()


@pytest.mark.parametrize("mode", ["erase", "anonymise"])
def test_relays_that_pass_erasures_on_are_told(world, mode):
    world.owner.execute("insert into relays values ('publisher', now(), true), ('other', now(), false)")
    world.erase("ann", mode=mode).raise_for_status()
    assert noted(world) == [("publisher", "ann", None)]


def test_without_such_a_relay_nothing_is_noted(world):
    world.owner.execute("insert into relays values ('other', now(), false)")
    world.erase("ann").raise_for_status()
    assert noted(world) == []


def test_all_ids_of_a_person_are_noted(world):
    world.owner.execute("insert into relays values ('publisher', now(), true)")
    linking = an_event("ann", "2026-03-02T10:00:00Z", 9, event_type="identify", properties={"anonymous_id": "device"})
    world.send([an_event("device", "2026-03-01T10:00:00Z", 1), linking])
    world.erase("ann").raise_for_status()
    assert sorted(noted(world)) == [("publisher", "ann", None), ("publisher", "device", None)]


def test_a_relay_that_is_deleted_is_told_nothing_more(world):
    world.owner.execute("insert into relays values ('publisher', now(), true)")
    world.erase("ann").raise_for_status()
    world.owner.execute("delete from relays")
    assert noted(world) == []
