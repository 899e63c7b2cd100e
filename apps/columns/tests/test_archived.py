"""Columns that are made from a file of the lake are those that are made from rows of PostgreSQL."""

import json

import duckdb
import msgspec
import psycopg
import pytest
from click.testing import CliRunner
from stored import BY_DAY, EVERYTHING

from event_tracker.cli.database.maintain import maintain
from event_tracker.cli.lake.command import lake as lake_command
from event_tracker.columns.engine import Selection
from event_tracker.columns.loading.archived.converter import split_properties
from event_tracker.columns.rows import NESTED
from event_tracker.core.http.errors import Problem

AS_OF_ROWS = """
select properties::text, (select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each_text(properties))::text, ({nested})::text
from (select %s::jsonb as properties) as event
"""

PROPERTIES = [
    "{}",
    '{"a": 1, "b": 1.50, "c": 1e30, "d": -0.0, "e": 12345678901234567890.123456789012345678901234567890, "f": 1E-7}',
    '{"a": null, "b": true, "c": false, "d": "", "e": "null", "f": "1.0"}',
    '{"a": {"b": 1.50, "c": [1e3, null, "x: {1}", {"d": {}}]}, "e": [], "f": {}, "g": [[1]]}',
    json.dumps({'q"uo\\te': 'say "hi"\n\t\\ \u0001\u007f é 😀 \u2028', "": "empty", " ": {'k"e\\y\u0001': "\u0001"}}),
    '{"text": "looks like \\": {", "list": "\\": ["}',
    '{"\\u00e9": "\\u00e9", "a/b~c": [1.0]}',
]


@pytest.mark.parametrize("properties", PROPERTIES)
def test_properties_are_divided_as_in_rows(owner: psycopg.Connection, properties: str) -> None:
    statement = AS_OF_ROWS.replace("{nested}", NESTED)
    ((written, texts, nested),) = owner.execute(statement.encode(), [properties]).fetchall()
    found, found_nested = split_properties(written)
    assert msgspec.json.decode(found) == json.loads(texts)
    assert (found_nested is None) == (nested is None)
    if nested is not None:
        assert json.loads(found_nested or "", parse_float=str, parse_int=str) == json.loads(
            nested, parse_float=str, parse_int=str
        )


@pytest.fixture
def lake(stored, owner, database, postgres, tmp_path):
    """A lake that has two days, which PostgreSQL has no more."""
    environment = {"DATABASE_URL": postgres.url(database)}
    for day in range(2):
        stored.add(5, day=day)
        stored.add(2, day=day, user_id="gone-7f3a", source="shop")
    expected = stored.rows()
    target = tmp_path / "lake"
    for command, *arguments in (
        (lake_command, "export", target),
        (maintain, "--keep", "30days", "--archive-first", target),
    ):
        result = CliRunner().invoke(command, list(map(str, arguments)), env=environment)
        assert result.exit_code == 0, result.output
    assert stored.rows() == []
    return target, expected


def test_archived_events_are_read_once_until_one_is_erased(open_engine, owner, lake, tmp_path):
    target, expected = lake
    engine = open_engine(lake=str(target))
    assert engine.run(EVERYTHING, BY_DAY, {}).rows == expected
    shop = Selection(start=EVERYTHING.start, end=EVERYTHING.end, sources=["shop"])
    assert engine.run(shop, BY_DAY, {}).rows == [row for row in expected if row[1] == "shop"]
    engine.refresh()
    files = sorted(tmp_path.glob("cache/*/archived-*"))
    of_shop = [file for file in files if has_shop(file)]
    assert (len(files), len(of_shop)) == (4, 2)
    moved = target.rename(tmp_path / "aside")
    assert engine.run(EVERYTHING, BY_DAY, {}).rows == expected
    # It isn't read from now on, and leaves the local disk once it has left the lake.
    owner.execute("insert into archive_erasures (user_id, sources) values ('gone-7f3a', '{shop}')")
    left = [row for row in expected if row[1] != "shop"]
    before = engine.fingerprint(EVERYTHING)[1]
    assert engine.run(EVERYTHING, BY_DAY, {}).rows == left
    owner.execute("update archived_days set epoch = epoch + 1 where source = 'shop'")
    assert engine.fingerprint(EVERYTHING)[1] != before
    engine.refresh()
    assert sorted(tmp_path.glob("cache/*/archived-*")) == [file for file in files if file not in of_shop]
    with pytest.raises(Problem) as refusal:
        engine.run(EVERYTHING, BY_DAY, {})
    assert (refusal.value.status, refusal.value.code) == (503, "lake_unavailable")
    moved.rename(target)
    assert engine.run(EVERYTHING, BY_DAY, {}).rows == left


def has_shop(file):
    """Whether a file has events of the source that somebody is erased from."""
    return bool(
        duckdb.execute("select 1 from read_parquet($file) where source = 'shop'", {"file": str(file)}).fetchall()
    )
