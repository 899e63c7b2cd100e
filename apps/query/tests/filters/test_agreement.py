"""PostgreSQL, DuckDB and Python select the same events by a filter, and these are the reference's."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import duckdb
import msgspec
import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql
from servers import Postgres

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.filters.duckdb import compile_duckdb
from event_tracker.query.filters.grammar import Filter
from event_tracker.query.filters.matches import EventValues, matches
from event_tracker.query.filters.postgres import compile_postgres
from event_tracker.query.filters.schema import FilterSchema
from event_tracker.query.stats.columns.selection import Parameters

from .reference import Number, parse, selects, write
from .strategies import NUMBERS, TEXTS, events, filters

Events = list[dict[str, Any]]
T0 = datetime(2026, 3, 1, tzinfo=UTC)

NESTED = load_queries("event_tracker.columns", "nested.sql")
COLUMNS = ("user_id", "event_type", "session_id", "source", "timestamp", "received_at")

INSERT = """
insert into events (event_id, user_id, event_type, session_id, source, "timestamp", received_at, properties)
values (%(event_id)s, %(user_id)s, %(event_type)s, %(session_id)s, %(source)s, %(timestamp)s, %(received_at)s, %(properties)s)
"""
READ = sql.SQL("""
select event_id, user_id, event_type, session_id, source, "timestamp", received_at, properties::text as json,
  (select coalesce(jsonb_object_agg(key, value), '{{}}')::text from jsonb_each_text(properties)), {nested}::text
from events
order by event_id
""").format(nested=sql.SQL(NESTED["nested"]))

CREATE = """
create table events (
  event_id uuid, user_id varchar, event_type varchar, session_id varchar, source varchar, "timestamp" timestamptz, received_at timestamptz,
  properties varchar, nested varchar
)
"""


IN_JSON = """
case
  when regexp_full_match(json_extract_string(properties, getvariable('property_{number}')), '-?(0|[1-9][0-9]*)[.][0-9]+')
  then rtrim(rtrim(json_extract_string(properties, getvariable('property_{number}')), '0'), '.')
  else json_extract_string(properties, getvariable('property_{number}'))
end
"""
"""What the engine reads a property by, in its shortest spelling."""


def json_path(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


class Databases(NamedTuple):
    """Both have a table `events`."""

    postgres: psycopg.Connection
    columns: duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def databases(postgres: Postgres, shared_database: str) -> Iterator[Databases]:
    with psycopg.connect(postgres.url(shared_database), autocommit=True) as owner:
        owner.execute("set timezone = 'UTC'")
        owner.execute("create temp table events (like public.events including defaults including constraints)")
        owner.execute("alter table pg_temp.events alter column session_id drop not null")
        columns = duckdb.connect(config={"threads": 1})
        columns.execute("set TimeZone = 'UTC'")
        columns.execute(CREATE)
        yield Databases(owner, columns)
        columns.close()


def put(databases: Databases, given: Events) -> Events:
    """Store the events in both; what PostgreSQL made of them."""
    databases.postgres.execute("truncate pg_temp.events")
    databases.columns.execute("truncate events")
    with databases.postgres.cursor() as cursor:
        cursor.executemany(
            INSERT,
            [
                {**event, "event_id": UUID(int=n), "properties": write(event["properties"])}
                for n, event in enumerate(given)
            ],
        )
    rows = databases.postgres.execute(READ).fetchall()
    for row in rows:
        databases.columns.execute(
            f"insert into events select * replace ({NESTED['nested_texts']} as nested) from (values (?, ?, ?, ?, ?, ?, ?, ?, ?::varchar)) as row ({', '.join(['event_id', *COLUMNS])}, properties, nested)",
            [*row[:7], *row[8:]],
        )
    return [{**dict(zip(COLUMNS, row[1:7], strict=True)), "json": row[7], "properties": parse(row[7])} for row in rows]


def in_postgres(databases: Databases, part: Filter) -> list[int]:
    condition, parameters = compile_postgres(part)
    statement = sql.SQL("select event_id from events where {} order by event_id").format(condition)
    return [found.int for (found,) in databases.postgres.execute(statement, parameters, binary=True)]


def in_columns(databases: Databases, part: Filter) -> list[int]:
    parameters = Parameters()
    parameters.read_property("another")
    condition = compile_duckdb(part, parameters)
    for number, name in enumerate(parameters.properties):
        databases.columns.execute(f"set variable property_{number} = $path", {"path": json_path(name)})
    values = ", ".join(
        f"{IN_JSON.format(number=number)} as property_{number}" for number in range(len(parameters.properties))
    )
    found = databases.columns.execute(
        f"select event_id from (select *, user_id as sent_id, {values} from events) where {condition} order by event_id",
        parameters,
    )
    return [event_id.int for (event_id,) in found.fetchall()]


def in_python(stored: Events, part: Filter) -> list[int]:
    found = []
    for number, event in enumerate(stored):
        values = EventValues(SimpleNamespace(**{**event, "properties": msgspec.Raw(event["json"])}))
        if matches(values, part):
            found.append(number)
    return found


def check(databases: Databases, given: Events, documents: list[dict[str, Any]]) -> list[list[int]]:
    """What the filters select, everywhere the same."""
    stored = put(databases, given)
    selected = []
    for document in documents:
        part = FilterSchema().load(document)
        expected = [number for number, event in enumerate(stored) if selects(document, event)]
        assert in_postgres(databases, part) == expected, document
        assert in_columns(databases, part) == expected, document
        assert in_python(stored, part) == expected, document
        selected.append(expected)
    return selected


@settings(max_examples=100, phases=[Phase.generate], derandomize=True, deadline=None, database=None)
@given(given=st.lists(events, min_size=1, max_size=6), documents=st.lists(filters, min_size=1, max_size=6))
def test_all_select_the_same_events(databases: Databases, given: Events, documents: list[dict[str, Any]]) -> None:
    check(databases, given, documents)


def an_event(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        **dict.fromkeys(COLUMNS, "x"),
        "session_id": None,
        "timestamp": T0,
        "received_at": T0,
        "properties": properties,
    }


@pytest.mark.parametrize("field", ["property.a", "property.o.a"], ids=["a property", "a member"])
@pytest.mark.parametrize("operator", ["is", "gt", "lte", "starts_with", "contains"])
def test_each_text_is_compared_with_each_number(databases: Databases, operator: str, field: str) -> None:
    found: list[Any] = [
        None,
        True,
        {},
        [],
        {"a": "x"},
        ["x"],
        [Number("20.0")],
        *TEXTS,
        *NUMBERS,
        *map(Number, NUMBERS),
    ]
    given = [an_event({"a": value} if field == "property.a" else {"o": {"a": value}}) for value in found]
    wanted = dict.fromkeys([*TEXTS, *NUMBERS])
    selected = check(databases, given, [{"field": field, "operator": operator, "value": text} for text in wanted])
    assert sum(map(len, selected)) > len(found)


def test_a_number_in_a_path_is_a_name_and_no_place(databases: Databases) -> None:
    values: list[Any] = [["x"], {"0": "x"}, {"0": {"a": "x"}}, [{"a": "x"}], {"0": ["x"]}, '["x"]']
    given = [an_event({"a": value, "0": {"0": value}}) for value in values]
    paths = ["property.a.0", "property.a.0.a", "property.a.0.0", "property.0.0.0", "property.0.0.0.a"]
    asked = [{"field": path, "operator": operator, "value": "x"} for path in paths for operator in ("is", "contains")]
    selected = check(databases, given, asked)
    assert selected == [[1], [1, 4], [2], [2], [], [], [1], [1, 4], [2], [2]]


def test_numbers_that_are_one_double_are_told_apart(databases: Databases) -> None:
    values = [
        "9007199254740992",
        "9007199254740993",
        "9007199254740993.5",
        "-0",
        "0",
        "0.0",
        "1" * 400,
        "1" * 399 + "2",
    ]
    given = [an_event({"a": value, "o": {"a": value}}) for value in values]
    asked = [
        {"field": field, "operator": operator, "value": value}
        for field in ("property.a", "property.o.a")
        for operator, value in [
            ("gt", values[0]),
            ("lte", values[1]),
            ("lt", "0"),
            ("gt", values[6]),
            ("lt", values[7]),
        ]
    ]
    selected = check(databases, given, asked)
    assert selected == [[1, 2, 6, 7], [0, 1, 3, 4, 5], [3], [7], [0, 1, 2, 3, 4, 5, 6]] * 2
