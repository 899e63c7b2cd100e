"""A question about a sample reads the newest blocks and rows alone, up to a number of events."""

from dataclasses import replace

import pytest
from stored import BY_DAY, EVERYTHING

from event_tracker.columns.engine import Sample

DAYS = 'select extract(day from "timestamp")::int, count(*) from events group by 1 order by 1'
NAMES = "select name, events from own_names order by name"


@pytest.fixture
def ask(engine):
    return lambda sample, statement=DAYS: engine.run(replace(EVERYTHING, sample=sample), statement, {}, explain=True)


def test_of_blocks_the_newest_are_read_and_of_rows_the_newest_hours(stored, ask):
    for day in range(4):
        stored.add(10, day=day)
    stored.build(0, keys=["page"])
    stored.build(1, keys=["page", "plan"])
    for hour in range(3):
        stored.add(5, day=5, hour=hour)
    for sample, expected in {
        Sample(blocks=10, rows=0): [(2, 10)],
        Sample(blocks=19, rows=0): [(2, 10)],
        Sample(blocks=20, rows=5): [(1, 10), (2, 10), (6, 5)],
        Sample(blocks=0, rows=14): [(6, 10)],
        Sample(blocks=9, rows=4): [],
        Sample(blocks=100, rows=100): [(1, 10), (2, 10), (3, 10), (4, 10), (6, 15)],
    }.items():
        result = ask(sample)
        assert result.rows == expected
        # What isn't in the sample isn't fetched, either.
        assert result.plan.events_in_blocks + result.plan.events_in_hours == sum(count for _, count in expected)
        # Names are those of all blocks.
        assert ask(sample, NAMES).rows == [("page", 20), ("plan", 10)]


def test_rows_that_are_left_out_between_others_are_not_read(stored, ask):
    stored.add(10, day=1)
    stored.build(1)
    stored.add(4, day=0, hour=23)
    stored.add(4, day=2, hour=0)
    result = ask(Sample(blocks=0, rows=8))
    assert result.rows == [(1, 4), (3, 4)]
    assert result.plan.rows_read == 8


def test_of_rows_without_columns_the_first_are_kept_always_the_same(stored, ask):
    stored.add(40, day=0)
    stored.build(0, keys=["page"])
    stored.add(200, day=1)
    users = "select count(*) filter (where \"timestamp\" < '2026-03-02'), count(*) filter (where \"timestamp\" >= '2026-03-02'), list(distinct user_id order by user_id) from events"
    ((of_block, of_rows, kept),) = ask(Sample(blocks=40, rows=200, parsed=50), users).rows
    assert of_block == 40
    assert 0 < of_rows <= 50
    assert ask(Sample(blocks=40, rows=200, parsed=50), users).rows == [(of_block, of_rows, kept)]
    assert ask(Sample(blocks=40, rows=200, parsed=200), users).rows[0][:2] == (40, 200)


def test_without_a_sample_there_are_no_names(stored, engine):
    stored.add(3)
    with pytest.raises(Exception, match="own_names"):
        engine.run(EVERYTHING, NAMES, {})
    assert engine.run(EVERYTHING, BY_DAY, {}).rows == stored.rows()
