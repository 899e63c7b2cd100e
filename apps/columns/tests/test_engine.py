"""The engine answers from blocks and rows what PostgreSQL would from its table."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY
from stored import BY_DAY, DAY, EVERYTHING

INSERT = """
insert into events (user_id, "timestamp", event_id, event_type, session_id, properties)
values ('ann', '2026-03-02 10:00:00.000001+00', gen_random_uuid(), 'view, "x"', null, '{"n": 12345678901234567890.10, "t": ""}')
"""


def ask(engine, selection=EVERYTHING, statement=BY_DAY, **parameters):
    return engine.run(selection, statement, parameters, explain=True)


def test_values_are_exact(owner, stored, engine):
    owner.execute(INSERT)
    owner.execute("insert into event_counts values ('2026-03-02 10:00+00', 'view, \"x\"', 'default', 0, 1)")
    statement = "select user_id, timestamp, event_type, session_id, properties ->> $key, properties ->> 't' from events"
    timestamp = datetime(2026, 3, 2, 10, 0, 0, 1, tzinfo=UTC)
    # The empty text isn't null.
    expected = [("ann", timestamp, 'view, "x"', None, "12345678901234567890.10", "")]
    assert engine.run(EVERYTHING, statement, {"key": "n"}).rows == expected
    stored.build(1)
    assert engine.run(EVERYTHING, statement, {"key": "n"}).rows == expected


def test_without_events_there_is_none(engine):
    result = ask(engine)
    assert result.rows == []
    assert result.plan.blocks == result.plan.hours == 0


def test_from_blocks_alone(stored, engine):
    stored.add(300)
    stored.add(300, day=1, source="shop")
    stored.build()
    stored.build(1, "shop")
    result = ask(engine)
    assert result.rows == stored.rows()
    assert (result.plan.blocks, result.plan.blocks_fetched, result.plan.hours, result.plan.rows_read) == (2, 2, 0, 0)
    assert ask(engine).plan.blocks_fetched == 0


def test_from_rows_alone(stored, engine):
    stored.add(300)
    stored.add(300, day=1, source="shop")
    result = ask(engine)
    assert result.rows == stored.rows()
    assert (result.plan.blocks, result.plan.rows_read) == (0, 600)
    assert ask(engine).plan.rows_read == 0


def test_from_blocks_and_rows(stored, engine):
    stored.add(300)
    stored.build(0, start=6, end=12)
    stored.build(0, start=12, end=18)
    result = ask(engine)
    assert result.rows == stored.rows()
    assert result.plan.blocks == 2
    assert result.plan.rows_read == 300 - result.plan.events_in_blocks
    assert {hour.why for hour in result.plan.hours_beside} == {"no_block"}


def test_only_the_hours_that_moved_are_read_again_and_of_them_what_is_new(stored, engine):
    stored.add(300)
    ask(engine)
    stored.add(3, hour=5)
    stored.add(2, hour=7, source="shop")
    result = ask(engine)
    assert result.rows == stored.rows()
    # A transaction that another one saw running may have been read before: rows are read twice rather than not at all.
    assert result.plan.rows_read == 5


def test_days_that_are_over_and_have_no_block_are_counted(stored, engine):
    for day, source in ((0, "default"), (1, "default"), (1, "shop")):
        stored.add(3, day=day, source=source)
    stored.add(timestamp=datetime.now(UTC))
    engine.refresh()
    assert REGISTRY.get_sample_value("columns_missing_blocks") == 3
    stored.build()
    stored.add(hour=3)  # late, so the block is stale
    engine.refresh()
    assert REGISTRY.get_sample_value("columns_blocks", {"state": "stale"}) == 1
    assert REGISTRY.get_sample_value("columns_missing_blocks") == 2


def test_an_hour_grows_by_many_small_steps(stored, engine):
    stored.add(1, hour=4)
    for step in range(40):
        stored.add(2, hour=5)
        result = ask(engine)
        assert result.rows == stored.rows()
        assert result.plan.rows_read == (2 if step else 3)
    engine.refresh()
    assert len(list(engine._cache.folder.glob("*.parquet"))) < 40


def test_a_late_event_is_counted_beside_a_block_that_is_stale(stored, engine):
    stored.add(300)
    stored.build()
    assert ask(engine).plan.hours == 0
    stored.add(hour=3)
    result = ask(engine)
    assert result.rows == stored.rows()
    assert result.plan.blocks == 0


@pytest.mark.parametrize("built", [True, False])
def test_what_is_erased_between_two_questions_is_gone(stored, engine, owner, built):
    stored.add(300)
    if built:
        stored.build()
    ask(engine)
    owner.execute("delete from events where user_id = 'user-7'")
    assert ask(engine).rows == stored.rows()


@pytest.mark.parametrize("built", [True, False])
def test_an_erasure_and_an_insert_that_leave_the_number_of_events(stored, engine, owner, built):
    stored.add(300)
    if built:
        stored.build()
    names = "select user_id, count(*) from events group by 1 order by 1"
    before = ask(engine, statement=names)
    for row in owner.execute("delete from events where user_id = 'user-7' returning timestamp, event_type").fetchall():
        stored.add(timestamp=row[0], event_type=row[1], user_id="new")
    after = ask(engine, statement=names)
    assert after.rows == stored.rows(names) != before.rows
    assert sum(count for _, count in after.rows) == 300


def test_an_anonymised_user_has_the_new_name_alone(stored, engine, owner):
    stored.add(300)
    stored.build()
    ask(engine)
    owner.execute("update events set user_id = 'anon-1' where user_id = 'user-7'")
    names = "select distinct user_id from events order by 1"
    assert ask(engine, statement=names).rows == stored.rows(names)


def test_a_file_of_several_hours_gives_only_those_that_hold(stored, engine, owner):
    """One source's two days are read into one file; then one of the days is erased from."""
    stored.add(50, hour=23)
    stored.add(50, day=1, hour=0)
    ask(engine)
    owner.execute("delete from events where user_id = 'user-7' and timestamp < %s", [DAY + timedelta(days=1)])
    result = ask(engine)
    assert result.rows == stored.rows()
    assert result.plan.rows_read <= 50


def test_restricted_to_sources(stored, engine):
    for source in ("default", "shop", 'it\'s "one"; drop table users --'):
        stored.add(100, source=source)
        stored.add(100, source=source, day=1)
    stored.build(0, "shop")
    for sources in (["shop"], ['it\'s "one"; drop table users --', "shop"], ["none"], []):
        selection = replace(EVERYTHING, sources=sources)
        assert ask(engine, selection).rows == stored.rows(selection=selection)


def test_bounds_within_an_hour(stored, engine):
    stored.add(300)
    stored.build(0, end=12)
    for start, end in ((5.25, 5.75), (11.5, 12.5), (0.1, 23.9), (13.5, 13.6), (30, 40)):
        selection = replace(EVERYTHING, start=DAY + timedelta(hours=start), end=DAY + timedelta(hours=end))
        assert ask(engine, selection).rows == stored.rows(selection=selection)
    ask(engine)
    selection = replace(EVERYTHING, start=DAY + timedelta(hours=5.25), end=DAY + timedelta(hours=13.75))
    assert ask(engine, selection).rows == stored.rows(selection=selection)


FIRST_SEEN = "select user_id, first_seen from first_seen order by 1"


def test_first_seen_by_all_sources(stored, engine, owner):
    stored.add(100, day=-3)
    stored.add(20, day=1, source="shop", user_id='new, "one"')
    selection = replace(EVERYTHING, first_seen=(EVERYTHING.start, EVERYTHING.end))
    expected = owner.execute(
        "select user_id, first_seen from users where first_seen >= %s order by 1", [DAY]
    ).fetchall()
    assert ask(engine, selection, FIRST_SEEN).rows == expected


def test_first_seen_by_some_sources(stored, engine, owner):
    stored.add(30, day=-400)
    stored.add(30, day=-3, source="shop")
    stored.add(100, day=1, source="shop")
    stored.add(100, day=1, source="blog")
    stored.build(-3, "shop")
    selection = replace(EVERYTHING, first_seen=(EVERYTHING.start, EVERYTHING.end), sources=["shop"])
    expected = owner.execute(
        "select user_id, min(timestamp) from events where source = 'shop' group by 1 having min(timestamp) >= %s order by 1",
        [DAY],
    ).fetchall()
    assert expected
    assert ask(engine, selection, FIRST_SEEN).rows == expected
    # The events themselves are those of the range.
    count = "select count(*) from events"
    assert ask(engine, selection, count).rows == [(100,)]


def test_truncated_tables(stored, engine, owner):
    """As many events as before, counted in the same hours, in a table that was emptied by hand."""
    stored.add(20, hour=3, event_type="view", user_id="ann")
    ask(engine)
    owner.execute("truncate events, event_counts, users, blocks, block_epochs")
    stored.add(20, hour=3, event_type="view", user_id="bob")
    assert ask(engine).rows == stored.rows()


def test_two_engines_on_one_folder(stored, open_engine):
    stored.add(300)
    stored.build(0, end=12)
    first, second = open_engine(), open_engine()
    for engine in (first, second, first):
        stored.add(hour=13)
        assert ask(engine).rows == stored.rows()
    first.close()
    assert ask(second).rows == stored.rows()


def test_properties_with_and_without_columns_of_their_own(stored, engine):
    names = ["plan", 'it\'s "a"', "$.a/b~c", "absent"]
    for day in range(4):
        for value in ("1.50", "x", None):
            stored.add(hour=1, day=day, properties=json.dumps({"plan": value, names[1]: "y", "$.a/b~c": "z", "n": day}))
    stored.build(0)
    stored.build(1, keys=["$.a/b~c", "plan"])
    stored.build(2, keys=[names[1], "unknown", "plan"])
    columns = "select distinct property_0, property_1, property_2, property_3 from events order by all"
    expected = [(value, "y", "z", None) for value in ("1.5", "x", None)]
    assert engine.run(EVERYTHING, columns, {}, properties=names).rows == expected
    # In the JSON they are all the same.
    found = "select properties ->> $n, count(properties ->> 'plan'), min(properties ->> $q), min(json_extract_string(properties, $p)) from events group by all order by all"
    assert engine.run(EVERYTHING, found, {"n": "n", "q": names[1], "p": "/$.a~1b~0c"}).rows == [
        (str(day), 2, "y", "z") for day in range(4)
    ]


def test_objects_and_arrays_are_the_same_from_blocks_and_rows(stored, engine):
    properties = (
        '{"a": {"b": [1.50, "2", {"c": -12345678901234567890.10}]}, "o\\"": [], "n": 1, "t": "{}", "none": null}'
    )
    for day in range(3):
        stored.add(hour=1, day=day, properties=properties)
        stored.add(hour=1, day=day, properties='{"n": 1}')
    stored.build(0)
    stored.build(1, keys=["a", "n"])
    found = engine.run(EVERYTHING, "select nested, count(*) from events group by nested order by nested", {}).rows
    assert [(nested and json.loads(nested), events) for nested, events in found] == [
        ({"a": {"b": ["1.50", "2", {"c": "-12345678901234567890.10"}]}, 'o"': []}, 3),
        (None, 3),
    ]


def test_parameters_are_never_part_of_the_statement(stored, engine):
    stored.add(5, user_id="x' or true --")
    found = "select count(*) from events where user_id = $user and $other = $other"
    assert ask(engine, statement=found, user="x' or true --", other="'; drop view events").rows == [(5,)]
    assert ask(engine, statement=found, user="' or true --", other="").rows == [(0,)]
