"""Blocks after an erasure: none holds anything of the user, and those that are built again hold what is stored."""

from datetime import UTC, datetime

import duckdb
import pytest
from world import World, an_event, life_of

from event_tracker.columns.build import find_unbuilt


@pytest.fixture
def world(postgres, database, start_service, owner):
    return World(postgres, database, start_service, owner)


@pytest.fixture
def in_blocks(world, tmp_path):
    """A function that returns every event in blocks, as text with all of its columns."""

    def read():
        events = []
        for number, source, start, parquet in world.owner.execute(
            "select id, source, extract(day from start)::int, parquet from blocks order by source, start"
        ):
            path = tmp_path / f"{number}.parquet"
            path.write_bytes(parquet)
            events += [(source, start, repr(row)) for row in duckdb.read_parquet(str(path)).fetchall()]
        return events

    return read


def days(events):
    return sorted({(source, day) for source, day, _ in events})


def test_after_an_erasure_no_block_holds_anything_of_the_user(world, in_blocks):
    world.send(life_of("ann") + life_of("bob") + [an_event("bob", "2026-03-04T10:00:00Z", 1)])
    world.maintain()
    assert len([row for *_, row in in_blocks() if "'ann'" in row]) == 15
    world.erase("ann").raise_for_status()
    assert days(in_blocks()) == [("default", 4)]
    assert not [row for *_, row in in_blocks() if "ann" in row]
    world.maintain()
    assert days(in_blocks()) == [("default", day) for day in (1, 2, 4, 5)]
    assert not [row for *_, row in in_blocks() if "ann" in row]
    assert len(in_blocks()) == 16


def test_an_erasure_and_an_event_that_leave_the_count_as_it_was_leave_no_valid_block(world, in_blocks):
    at = "2026-03-01T10:00:00Z"
    world.send([an_event("ann", at, 1), an_event("bob", at, 1)])
    world.maintain()
    ((before,),) = world.owner.execute("select count from event_counts").fetchall()
    world.erase("ann").raise_for_status()
    world.send([an_event("carol", at, 1)])
    assert world.owner.execute("select sum(count) from event_counts").fetchall() == [(before,)]
    assert [stretch.start for stretch in find_unbuilt(world.owner)] == [datetime(2026, 3, 1, tzinfo=UTC)]
    world.maintain()
    assert sorted(row.split("'")[1] for *_, row in in_blocks()) == ["bob", "carol"]


def test_after_anonymising_no_block_holds_anything_of_the_user(world, in_blocks):
    world.send(life_of("ann") + life_of("bob"))
    world.maintain()
    world.erase("ann", mode="anonymise").raise_for_status()
    assert in_blocks() == []
    world.maintain()
    assert len(in_blocks()) == 30
    assert not [row for *_, row in in_blocks() if "'ann'" in row or "s-ann" in row]
    assert len([row for *_, row in in_blocks() if "'anonymous-" in row]) == 15


def test_an_erasure_of_some_sources_leaves_the_blocks_of_others(world, in_blocks):
    keys = {name: world.make_source(name) for name in ("blog", "shop")}
    for name, key in keys.items():
        world.send([an_event("ann", "2026-03-01T10:00:00Z", name)], key)
    world.maintain()
    assert days(in_blocks()) == [("blog", 1), ("shop", 1)]
    world.erase("ann", world.admin("shop")).raise_for_status()
    assert days(in_blocks()) == [("blog", 1)]
    assert [stretch.source for stretch in find_unbuilt(world.owner)] == []


def test_an_erasure_that_is_not_committed_leaves_the_blocks(world, in_blocks):
    world.send(life_of("ann"))
    world.maintain()
    world.owner.execute("alter table erasures add constraint broken check (mode <> 'erase')")
    assert world.erase("ann").status_code >= 500
    assert days(in_blocks()) == [("default", day) for day in (1, 2, 5)]
    assert find_unbuilt(world.owner) == []
