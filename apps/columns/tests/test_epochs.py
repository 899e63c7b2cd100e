"""What deletes or changes events deletes the blocks of their days, and moves these days' epochs; nothing else does."""

from datetime import UTC, datetime

import psycopg
import pytest

from event_tracker.columns.layout import LAYOUT

DAYS = [datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2)]


@pytest.fixture
def blocks(owner: psycopg.Connection) -> None:
    """Two users' events on two days of two sources, with a block each."""
    for day in DAYS:
        for source in ("blog", "shop"):
            for user in ("ann", "bob"):
                owner.execute(
                    'insert into events (user_id, "timestamp", event_id, event_type, source)'
                    " values (%s, %s, gen_random_uuid(), 'view', %s)",
                    [user, day.replace(hour=23), source],
                )
            owner.execute("insert into event_counts values (%s, 'view', %s, 0, 2)", [day.replace(hour=23), source])
            owner.execute(
                'insert into blocks (source, start, "end", counted, events, epoch, layout, keys, parquet)'
                " values (%s, %s, %s::timestamptz + interval '24 hours', 2, 2, 0, %s, '{}', '')",
                [source, day, day, LAYOUT],
            )


def left(owner: psycopg.Connection) -> list[tuple[str, int]]:
    return owner.execute("select source, extract(day from start)::int from blocks order by 1, 2").fetchall()


def epochs(owner: psycopg.Connection) -> list[tuple[str, int, int]]:
    return owner.execute("select source, extract(day from day)::int, epoch from block_epochs order by 1, 2").fetchall()


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(
    "statement",
    [
        "delete from events where user_id = 'ann' and source = 'shop' and \"timestamp\" < '2026-03-02'",
        "update events set properties = '{}' where user_id = 'ann' and source = 'shop' and \"timestamp\" < '2026-03-02'",
        "insert into deleted_counts values ('2026-03-01', 'view', 'shop', 1), ('2026-03-01', 'buy', 'shop', 1)",
    ],
)
def test_a_change_of_events_moves_the_epoch_and_deletes_the_blocks(owner, statement):
    owner.execute(statement)
    assert left(owner) == [("blog", 1), ("blog", 2), ("shop", 2)]
    assert epochs(owner) == [("shop", 1, 1)]


@pytest.mark.usefixtures("blocks")
def test_a_further_change_moves_the_epoch_further(owner):
    count = "insert into deleted_counts values ('2026-03-01', 'view', 'shop', 1)" + (
        " on conflict (day, event_type, source) do update set count = deleted_counts.count + 1"
    )
    owner.execute(count)
    owner.execute(count)
    owner.execute("delete from events where user_id = 'bob'")
    assert left(owner) == []
    assert epochs(owner) == [("blog", 1, 1), ("blog", 2, 1), ("shop", 1, 3), ("shop", 2, 1)]


@pytest.mark.usefixtures("blocks")
def test_nothing_else_does(owner):
    owner.execute("delete from events where user_id = 'carol'")
    owner.execute("update event_counts set count = 3")
    with owner.transaction():
        # What a partition is made of (event_tracker.cli.database.partitions).
        owner.execute("create table events_2026_03 (like events including all)")
        owner.execute("insert into events_2026_03 select * from events_default")
        owner.execute("delete from events_default")
        owner.execute(
            "alter table events attach partition events_2026_03 for values from ('2026-03-01') to ('2026-04-01')"
        )
    assert len(left(owner)) == 4
    assert epochs(owner) == []
