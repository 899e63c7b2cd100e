"""Which blocks are valid, and which hours are read from rows instead (validity.sql)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from event_tracker.columns.layout import LAYOUT
from event_tracker.core.postgres.named_sql import load_queries

VALID_BLOCKS = load_queries("event_tracker.columns", "validity.sql")["valid_blocks"]

DAY = datetime(2026, 3, 1, tzinfo=UTC)

Found = list[tuple[str, int, int, bool, int]]
Find = Callable[..., Found]


@pytest.fixture
def find(owner: psycopg.Connection) -> Find:
    """find(start, end, sources): source, start and end in hours of DAY, whether it is a block, and the number of events."""

    def run(start: float = 0, end: float = 24, sources: list[str] | None = None) -> Found:
        given = {"start": moment(start), "end": moment(end), "sources": sources, "layout": LAYOUT}
        rows = owner.execute(VALID_BLOCKS, given).fetchall()
        return [
            (source, hours(start), hours(end), number is not None, events)
            for source, start, end, number, _, events, _ in rows
        ]

    return run


def moment(hour: float) -> datetime:
    return DAY + timedelta(hours=hour)


def hours(moment: datetime) -> int:
    return (moment - DAY) // timedelta(hours=1)


def count(owner: psycopg.Connection, hour: int, events: int, source: str = "shop", slot: int = 0) -> None:
    owner.execute("insert into event_counts values (%s, 'view', %s, %s, %s)", [moment(hour), source, slot, events])


def build(owner: psycopg.Connection, start: int, end: int, events: int, source: str = "shop", **more: Any) -> None:
    given = {"counted": events, "epoch": 0, "layout": LAYOUT, **more}
    owner.execute(
        'insert into blocks (source, start, "end", events, counted, epoch, layout, keys, parquet)'
        " values (%(source)s, %(start)s, %(end)s, %(events)s, %(counted)s, %(epoch)s, %(layout)s, '{}', '')",
        {"source": source, "start": moment(start), "end": moment(end), "events": events, **given},
    )


def test_a_block_takes_the_place_of_its_hours(owner, find):
    count(owner, 3, 5)
    count(owner, 4, 1)
    count(owner, 4, 1, slot=7)
    count(owner, 4, 9, source="blog")
    assert find() == [("blog", 4, 5, False, 9), ("shop", 3, 4, False, 5), ("shop", 4, 5, False, 2)]
    build(owner, 0, 24, 7)
    assert find() == [("blog", 4, 5, False, 9), ("shop", 0, 24, True, 7)]
    assert find(sources=["blog"]) == [("blog", 4, 5, False, 9)]
    assert find(sources=[]) == []


def test_a_late_event_makes_its_block_alone_invalid(owner, find):
    count(owner, 3, 5)
    count(owner, 14, 6)
    build(owner, 0, 12, 5)
    build(owner, 12, 24, 6)
    count(owner, 12, 1)
    assert find() == [("shop", 0, 12, True, 5), ("shop", 12, 13, False, 1), ("shop", 14, 15, False, 6)]


def test_a_block_of_another_epoch_or_layout_is_invalid(owner, find):
    count(owner, 3, 5)
    build(owner, 0, 24, 5, layout=LAYOUT + 1)
    assert find() == [("shop", 3, 4, False, 5)]
    owner.execute("delete from blocks")
    build(owner, 0, 24, 5)
    owner.execute("insert into block_epochs values (%s, 'shop', 1)", [DAY])
    assert find() == [("shop", 3, 4, False, 5)]
    owner.execute("update blocks set epoch = 1")
    assert find() == [("shop", 0, 24, True, 5)]


def test_a_day_that_lost_some_events_to_retention_has_valid_blocks(owner, find):
    count(owner, 3, 5)
    count(owner, 27, 4)
    owner.execute(
        "insert into deleted_counts values (%s, 'view', 'shop', 2), (%s, 'view', 'shop', 4)", [DAY, moment(24)]
    )
    assert find(0, 48) == [("shop", 3, 4, False, 5)]
    build(owner, 0, 24, 3, counted=5, epoch=1)
    assert find(0, 48) == [("shop", 0, 24, True, 3)]
    count(owner, 23, 1)
    assert find(0, 48) == [("shop", 3, 4, False, 5), ("shop", 23, 24, False, 1)]


def test_only_what_overlaps_the_range_is_found(owner, find):
    for hour in (-1, 3, 14, 24):
        count(owner, hour, 1)
    build(owner, 0, 12, 1)
    assert find(-24, 48) == [
        ("shop", -1, 0, False, 1),
        ("shop", 0, 12, True, 1),
        ("shop", 14, 15, False, 1),
        ("shop", 24, 25, False, 1),
    ]
    assert find(11.5, 14.5) == [("shop", 0, 12, True, 1), ("shop", 14, 15, False, 1)]
    assert find(12, 14) == []
    assert find(14.5, 14.6) == [("shop", 14, 15, False, 1)]


def test_the_epoch_of_an_hour_says_that_events_were_deleted(owner):
    count(owner, 3, 5)
    given = {"start": DAY, "end": moment(24), "sources": None, "layout": LAYOUT}
    assert [row[5:] for row in owner.execute(VALID_BLOCKS, given)] == [(5, 0)]
    owner.execute("insert into block_epochs values (%s, 'shop', 3)", [DAY])
    assert [row[5:] for row in owner.execute(VALID_BLOCKS, given)] == [(5, 3)]
