"""Blocks hold what is stored, each in a column, and are built again when that changes."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from event_tracker.columns import build, layout
from event_tracker.columns.build import Builder, BuildError, Stretch, find_unbuilt
from event_tracker.columns.layout import COLUMNS, ORDER
from event_tracker.columns.properties import name_properties, property_columns

DAY = datetime(2026, 3, 1, tzinfo=UTC)

Store = Callable[..., None]


@pytest.fixture
def store(owner: psycopg.Connection) -> Store:
    """store(hour, ...): an event in this hour of DAY, and its count."""

    def run(
        hour: float, user_id: str = "ann", event_type: str = "view", source: str = "shop", **properties: Any
    ) -> None:
        moment = DAY + timedelta(hours=hour)
        owner.execute(
            'insert into events (user_id, "timestamp", event_id, event_type, source, properties)'
            " values (%s, %s, gen_random_uuid(), %s, %s, %s)",
            [user_id, moment, event_type, source, json.dumps(properties)],
        )
        owner.execute(
            "insert into event_counts as known values (date_bin('1 hour', %s, timestamptz '2000-01-01 00:00:00+00'), %s, %s, 0, 1)"
            " on conflict (hour, event_type, source, slot) do update set count = known.count + 1",
            [moment, event_type, source],
        )

    return run


@pytest.fixture
def builder(owner: psycopg.Connection, tmp_path: Path) -> Iterator[Builder]:
    builder = Builder(owner, tmp_path)
    yield builder
    builder.close()


def build_all(owner: psycopg.Connection, builder: Builder) -> int:
    return sum(builder.build(stretch) for stretch in find_unbuilt(owner))


def blocks(owner: psycopg.Connection) -> list[tuple[str, int, int, int, int]]:
    """The source, start and end in hours of DAY, counted and events of each."""
    rows = owner.execute('select source, start, "end", counted, events from blocks order by 1, 2').fetchall()
    hour = timedelta(hours=1)
    return [
        (source, (start - DAY) // hour, (end - DAY) // hour, counted, events)
        for source, start, end, counted, events in rows
    ]


def read(owner: psycopg.Connection, folder: Path, names: list[str], columns: str) -> list[tuple[Any, ...]]:
    """Columns of all events in blocks, and the values of these properties."""
    cursor = duckdb.connect()
    cursor.execute("set TimeZone = 'UTC'")
    name_properties(cursor, names)
    found: list[tuple[Any, ...]] = []
    for number, keys, parquet in owner.execute("select id, keys, parquet from blocks order by source, start"):
        path = folder / f"{number}.parquet"
        path.write_bytes(parquet)
        added = property_columns(names, keys).as_string()
        found += cursor.execute(f"select {columns}{added} from read_parquet($path)", {"path": str(path)}).fetchall()
    return found


def test_a_block_holds_the_events_of_a_source_and_day(owner, store, builder, tmp_path):
    store(1, "bob", page="/")
    store(23, "ann")
    store(3, "ann", 'view, "x"\n', page="")
    store(3, source="blog")
    store(24)
    assert build_all(owner, builder) == 3
    assert blocks(owner) == [("blog", 0, 24, 1, 1), ("shop", 0, 24, 3, 3), ("shop", 24, 48, 1, 1)]
    assert build_all(owner, builder) == 0
    rows = read(owner, tmp_path, [], "user_id, timestamp, event_type, session_id, source, properties")
    assert rows[1:4] == [
        ("ann", DAY + timedelta(hours=3), 'view, "x"\n', None, "shop", "{}"),
        ("ann", DAY + timedelta(hours=23), "view", None, "shop", "{}"),
        ("bob", DAY + timedelta(hours=1), "view", None, "shop", "{}"),
    ]


def test_files_have_the_columns_and_the_order_that_the_layout_says(owner, builder, tmp_path):
    """The order also holds over several row groups, which threads write."""
    owner.execute(
        """
        with stored as (
          insert into events (user_id, "timestamp", event_id, event_type, source, received_at)
          select 'user-' || hashint4(n) %% 1000, %s + n / 1000 * interval '1 second', gen_random_uuid(), 'view', 'shop', now() - n %% 3 * interval '1 hour'
          from generate_series(1, 300000) as n
          returning "timestamp"
        )
        insert into event_counts
        select date_bin('1 hour', "timestamp", timestamptz '2000-01-01 00:00:00+00'), 'view', 'shop', 0, count(*) from stored group by 1
        """,
        [DAY],
    )
    assert build_all(owner, builder) == 1
    (parquet,) = owner.execute("select parquet from blocks").fetchone()
    path = tmp_path / "block.parquet"
    path.write_bytes(parquet)
    file = duckdb.read_parquet(str(path))
    assert dict(zip(file.columns, map(str, file.types), strict=True)) == {
        **{name: kind.upper() for name, kind in COLUMNS.items()},
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "received_at": "TIMESTAMP WITH TIME ZONE",
    }
    numbered = f"select row_number() over () as place, row_number() over (order by {ORDER}) as wanted from file"
    assert duckdb.sql(f"select count(*) from ({numbered}) where place <> wanted").fetchall() == [(0,)]


def test_common_properties_have_columns_in_their_normal_form(owner, store, builder, tmp_path, monkeypatch):
    monkeypatch.setattr("event_tracker.columns.parquet.LEAST_SHARE", 0.5)
    odd = ["$x", "/x", 'q"t', "", "a~b", "a.b", "*", "own", "it's"]
    store(1, amount=20.0, none=None, rare="1.50", **dict.fromkeys(odd, "7.00"))
    store(2, amount="20.00", nested={"b": [1, "2"]}, **dict.fromkeys(odd, "7.00"))
    store(3, amount=20, none=None, **dict.fromkeys(odd, 7))
    build_all(owner, builder)
    ((keys,),) = owner.execute("select keys from blocks").fetchall()
    assert keys == ["amount", *sorted(odd, key=str.encode), "none"] or set(keys) == {"amount", "none", *odd}
    names = ["rare", *odd, "amount", "missing", "none", "nested"]
    rows = read(owner, tmp_path, names, "properties")
    shown = [row[1:] for row in rows]
    common = ["7"] * len(odd)
    assert shown == [
        ("1.5", *common, "20", None, None, None),
        (None, *common, "20", None, None, '{"b": [1, "2"]}'),
        (None, *common, "20", None, None, None),
    ]
    assert [json.loads(row[0]) for row in rows] == [{"rare": "1.50"}, {"nested": '{"b": [1, "2"]}'}, {}]


def test_values_are_the_same_from_a_column_and_from_json(owner, store, builder, tmp_path, monkeypatch):
    dice = random.Random(7)
    texts = ["-0", "-0.0", "0.0", "00.0", "1.", ".50", "1e2", "+2.0", "10", "1.10", "é\n", "", "null", "true", "2.0\n"]
    values = [*texts, 1e2, 12345678901234567890, 0.10, True, None, [1.0], {"a": "b"}]
    for hour in range(20):
        store(hour, **{name: dice.choice(values) for name in ("a", "b", "c") if dice.random() < 0.8})
    monkeypatch.setattr("event_tracker.columns.parquet.MAX_KEYS", 1)
    build_all(owner, builder)
    ((keys,),) = owner.execute("select keys from blocks").fetchall()
    assert len(keys) == 1
    one = read(owner, tmp_path, ["a", "b", "c"], "timestamp")
    owner.execute("delete from blocks")
    monkeypatch.setattr("event_tracker.columns.parquet.MAX_KEYS", 3)
    build_all(owner, builder)
    assert read(owner, tmp_path, ["a", "b", "c"], "timestamp") == one


def test_a_late_event_has_its_block_built_again(owner, store, builder, tmp_path):
    store(1, "ann")
    store(1, source="blog")
    build_all(owner, builder)
    store(23, "zoe")
    assert find_unbuilt(owner) == [Stretch("shop", DAY, DAY + timedelta(hours=24))]
    assert build_all(owner, builder) == 1
    assert blocks(owner) == [("blog", 0, 24, 1, 1), ("shop", 0, 24, 2, 2)]
    assert read(owner, tmp_path, [], "user_id") == [("ann",), ("ann",), ("zoe",)]


def test_a_large_day_has_blocks_of_whole_hours(owner, store, builder, monkeypatch):
    monkeypatch.setattr(build, "MAX_EVENTS", 3)
    for hour in (1, 2, 2.5, 3, 7, 7, 7, 7.1, 20):
        store(hour)
    build_all(owner, builder)
    tiled = [("shop", 0, 3, 3, 3), ("shop", 3, 7, 1, 1), ("shop", 7, 20, 4, 4), ("shop", 20, 24, 1, 1)]
    assert blocks(owner) == tiled
    store(5)
    assert find_unbuilt(owner) == [Stretch("shop", DAY + timedelta(hours=3), DAY + timedelta(hours=7))]
    build_all(owner, builder)
    assert blocks(owner) == [tiled[0], ("shop", 3, 7, 2, 2), *tiled[2:]]


def test_hours_with_too_many_bytes_have_blocks_of_their_own(owner, store, builder, monkeypatch):
    monkeypatch.setattr(build, "MAX_BYTES", 5000)
    for hour in (0, 1, 1, 23):
        store(hour, text="x" * 2000)
    assert build_all(owner, builder) == 3
    assert blocks(owner) == [("shop", 0, 1, 1, 1), ("shop", 1, 3, 2, 2), ("shop", 12, 24, 1, 1)]
    store(1, text="x" * 2000)
    with pytest.raises(BuildError, match="the hour at 01:00 has more than 5,000 bytes"):
        build_all(owner, builder)


def test_today_is_not_built(owner, store, builder):
    store((datetime.now(UTC) - DAY) / timedelta(hours=1))
    assert find_unbuilt(owner) == []
    store(0)
    assert len(find_unbuilt(owner)) == 1


def test_the_newest_day_is_first(owner, store):
    for hour in (24, 0, 48):
        store(hour)
    assert [stretch.day.day for stretch in find_unbuilt(owner)] == [3, 2, 1]


def test_blocks_of_another_layout_are_replaced(owner, store, builder):
    store(1)
    build_all(owner, builder)
    owner.execute("update blocks set layout = %s", [layout.LAYOUT + 1])
    assert build_all(owner, builder) == 1
    assert owner.execute("select layout from blocks").fetchall() == [(layout.LAYOUT,)]


def test_a_day_without_some_of_its_events_has_a_block(owner, store, builder):
    store(1)
    store(2)
    # What retention does.
    owner.execute('delete from events where "timestamp" < %s', [DAY + timedelta(hours=2)])
    owner.execute("insert into deleted_counts values (%s, 'view', 'shop', 1)", [DAY])
    build_all(owner, builder)
    assert blocks(owner) == [("shop", 0, 24, 2, 1)]
    assert find_unbuilt(owner) == []


def test_counts_that_nothing_explains_are_refused(owner, store, builder):
    store(1)
    owner.execute("update event_counts set count = 2")
    with pytest.raises(BuildError, match="1 events are stored, and 2 are counted"):
        build_all(owner, builder)
    owner.execute("delete from events")
    owner.execute("update event_counts set count = 1")
    store(1)
    store(1)
    owner.execute("update event_counts set count = 1")
    with pytest.raises(BuildError, match="2 events are stored, and 1 are counted"):
        build_all(owner, builder)
    assert blocks(owner) == []


@pytest.mark.parametrize("kind", ["erasure", "insert", "both"])
def test_what_changes_between_reading_and_writing_is_noticed(
    owner, store, builder, postgres, database, monkeypatch, tmp_path, kind
):
    store(1, "ann", secret="s")
    store(2, "bob")
    write = Builder._write

    def write_later(*given: Any) -> bool:
        monkeypatch.setattr(Builder, "_write", write)
        with psycopg.connect(postgres.url(database), autocommit=True) as other:
            if kind != "insert":
                other.execute("delete from events where user_id = 'ann'")
                other.execute("delete from event_counts where hour = %s", [DAY + timedelta(hours=1)])
        if kind != "erasure":
            store(1, "carol")
        return write(*given)

    monkeypatch.setattr(Builder, "_write", write_later)
    assert build_all(owner, builder) == 1
    stale = kind == "insert"
    assert [stretch.source for stretch in find_unbuilt(owner)] == (["shop"] if stale else [])
    build_all(owner, builder)
    users = {"erasure": ["bob"], "insert": ["ann", "bob", "carol"], "both": ["bob", "carol"]}
    assert read(owner, tmp_path, [], "user_id") == [(user,) for user in users[kind]]


def test_erasures_without_end_are_given_up_on(owner, store, builder, monkeypatch):
    store(1)
    write = Builder._write

    def erase_before(*given: Any) -> bool:
        owner.execute("update events set properties = '{}'")
        return write(*given)

    monkeypatch.setattr(Builder, "_write", erase_before)
    with pytest.raises(BuildError, match="its events are being erased"):
        build_all(owner, builder)
    assert blocks(owner) == []
