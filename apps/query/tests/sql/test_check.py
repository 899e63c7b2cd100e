"""What a statement is found to read, and that copying no more than that changes no answer."""

import json
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_tracker.query.sql.sandbox.__main__ import CONFIG
from event_tracker.query.sql.sandbox.check import check
from event_tracker.query.sql.sandbox.messages import Needs, RefusalError
from event_tracker.query.sql.views import build_tables, list_view_columns
from event_tracker.query.stats.parameters import GAP

NAMES = ["plan", "coupon", "n", "a.b", "", "properties", "0", "é", 'q"q']


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect(config=CONFIG) as connection:
        yield connection


@pytest.fixture
def read(connection):
    """read("select 1") is what the statement needs."""
    return lambda sql: check(connection, sql, list_view_columns()).needs


@pytest.mark.parametrize(
    "sql",
    [
        "select properties->>'plan', json_extract_string(e.properties, 'n') from events e",
        "select PROPERTIES->>'plan', events.Properties->>'n' from events",
    ],
)
def test_properties_are_read_by_their_names(read, sql):
    assert read(sql).properties == ["n", "plan"]


EXPRESSIONS = [
    "properties.plan",
    "e.properties.plan",
    "e.properties.plan.coupon",
    "properties.properties->>'plan'",
    "e.properties.properties->>'plan'",
    "(properties).plan",
    "properties['plan']",
    "properties->'plan'",
    "(properties->'plan') is null",
    "json_extract(properties, 'plan')",
    "json_extract(properties, 'plan') is null",
    "json_extract(properties, '$.plan')",
    "properties->>'$.plan'",
    "properties->>['plan', 'n']",
    "properties::varchar",
    "json_keys(properties)",
    "json_exists(properties, 'coupon')",
    "(properties->>'plan') || properties",
]
"""These read properties in other ways than by their names alone."""


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_properties_are_all_read(read, expression):
    assert read(f"select properties->>'n', {expression} from events e").properties is None


BY_NAMES = [f"properties->>'{name}'" for name in NAMES] + [
    f"json_extract_string(e.properties, '{name}')" for name in NAMES
]


def copy_events(connection: duckdb.DuckDBPyConnection, needs: Needs, properties: list[dict[str, Any]]) -> None:
    """Make the table `copy.events` as the engine does, with as much of the properties as is needed."""
    (table,), read = build_tables(needs, (None, None), "UTC", GAP, 1)  # type: ignore[arg-type]
    connection.execute(
        "create or replace temp table given as select unnest($1::json[]) as properties",
        [[*map(json.dumps, properties)]],
    )
    for place, name in enumerate(read):
        # As the engine reads what has no column of its own.
        connection.execute(f"alter table given add column property_{place} varchar")
        connection.execute(f"update given set property_{place} = json_extract_string(properties, $1)", [name])
    connection.execute("create or replace temp view events as from given")
    connection.execute(f"create or replace table copy.events as {table.statement}", table.parameters)
    connection.execute("drop view events")


@settings(deadline=None, max_examples=20)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(NAMES), st.none() | st.sampled_from(["", "x", "1.5", "null", '{"plan": 1}', "[1]"])
        ),
        min_size=1,
        max_size=5,
    )
)
def test_an_answer_is_the_same_by_names_and_of_all_properties(properties):
    with duckdb.connect(config=CONFIG) as connection:
        connection.execute("attach ':memory:' as copy")
        for expressions in (BY_NAMES, *([one] for one in EXPRESSIONS)):
            sql = f"select {', '.join(expressions)} from copy_events as e"
            needs = check(connection, sql.replace("copy_events", "events"), list_view_columns()).needs
            if needs.properties is None:
                continue
            found = []
            for kept in (needs.properties, None):
                copy_events(connection, Needs({"events": ["properties"]}, kept), properties)
                found.append(connection.execute(sql.replace("copy_events", "copy.events")).fetchall())
            assert found[0] == found[1], expressions


SCOPES: dict[str, list[str] | None] = {
    "with events as (select * from events) select * from events": ["events"],
    "with Events as (select * from EVENTS) select * from events": ["events"],
    "with recursive events as (select user_id from events union all select user_id from events where false) from events": [
        "events"
    ],
    "with a as (select user_id from events), events as (select 1 as x) select x from events, a": ["events"],
    "with events as (select 1 as x), a as (select x from events) select x from a": [],
    "with events as (select 1 as x) select x from (with a as (select x from events) select x from a)": [],
    "with events as (select 1 as x) (select x from events union all select x from events)": [],
    "with events as (select 1 as x) select (select x from events), (with users as (select 1) select 2 from users)": [],
    "(with events as (select 1 as x) select x from events) union all select 1 from events": ["events"],
    "select 1 from (with events as (select 1) select 1) a, events": ["events"],
    "with recursive a(n) as (select 1 union all select n + 1 from a where n < 3) select n from a": [],
    "with recursive a(n) as (select 1 union all (with b as (select n from a) select n from b)) select n from a": [],
    "select path from (with duckdb_databases as (select 1) select 1) a, duckdb_databases": None,
    "with a as (from duckdb_databases), duckdb_databases as (select 1) from a": None,
    "with duckdb_databases as (from duckdb_databases) from duckdb_databases": None,
    "with recursive duckdb_databases as (from duckdb_databases union all select 1) from duckdb_databases": None,
    "with duckdb_databa\u017fes as (select 1) from duckdb_databases": None,
    "with pg_class as (select 1) from pg_catalog.pg_class": None,
    "with x as (select 1) from main.x": None,
    "with a as (with b as (select 1) from b), c as (from b) from c": None,
    "(with sqlite_master as (select 1) select 1) union all select 1 from sqlite_master": None,
    "select (with sqlite_master as (select 1) select 1), (select count(*) from sqlite_master)": None,
    "with a as (select 1) from a, (from 'b.csv')": None,
    'select 1 from (with "b.csv" as (select 1) select 1), "b.csv"': None,
}
"""Statement → the views that it reads; None: it is refused."""


@pytest.mark.parametrize(("sql", "views"), SCOPES.items(), ids=SCOPES.keys())
def test_names_of_with_are_seen_where_duckdb_sees_them(read, sql, views):
    if views is None:
        with pytest.raises(RefusalError, match="There is no view"):
            read(sql)
    else:
        assert list(read(sql).views) == views


@pytest.mark.parametrize(("sql", "views"), SCOPES.items(), ids=SCOPES.keys())
def test_duckdb_finds_the_same(sql, views):
    """What isn't refused runs where there are no other tables than those that are found to be read."""
    with duckdb.connect(config=CONFIG) as connection:
        for view in views or ():
            connection.execute(f"create table {view} as select 'x' as user_id")
        if views is not None:
            connection.execute(sql)
            for view in views:
                connection.execute(f"drop table {view}")
                with pytest.raises(duckdb.Error):
                    connection.execute(sql)


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        ("select 1; -- note", "select 1"),
        ("select 1;;", "select 1"),
        ("select 1 ; /* ; */ ;\n", "select 1 "),
        ("select ';', $$;$$ -- ;\n;", "select ';', $$;$$ -- ;\n"),
        ("select 'é;'; -- x", "select 'é;'"),
        (";select 1", "select 1"),
        ("select 1 -- x;", "select 1 -- x;"),
    ],
)
def test_what_follows_the_statement_is_left_out(connection, sql, kept):
    assert check(connection, sql, list_view_columns()).text == kept
