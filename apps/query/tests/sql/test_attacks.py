"""What people may try in SQL: to read files, the network, the process or other sources, to change something, or to take all there is.

Each statement is sent to a real service. `test_confined.py` tries the same behind the check of statements.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import requests

REFUSED = {
    "files": [
        "select * from read_text('/etc/passwd')",
        "select * from read_blob('/etc/passwd')",
        "select * from read_csv('/etc/passwd')",
        "select * from read_csv_auto('/etc/passwd')",
        "select * from read_json('/etc/passwd')",
        "select * from read_ndjson_objects('/etc/passwd')",
        "select * from read_parquet('/tmp/**/*.parquet')",
        "select * from parquet_scan('/tmp/*')",
        "select * from parquet_metadata('/tmp/*.parquet')",
        "select * from parquet_schema('/tmp/*.parquet')",
        "select * from read_duckdb('/tmp/x.duckdb')",
        "select * from sniff_csv('/etc/passwd')",
        "select * from glob('/**')",
        "select * from '/etc/passwd'",
        "select * from 'file.parquet'",
        'select * from "file.csv"',
        "select * from 'https://example.com/x.parquet'",
        "select * from read_csv('http://127.0.0.1:1/x.csv')",
        "select * from read_text('s3://bucket/key')",
        'with "a.csv" as (select 1) select * from (select * from "b.csv")',
        "select (select content from read_text('/etc/passwd'))",
        "select 1 where exists (from glob('*'))",
        "select * from events, lateral (select * from read_text(events.user_id))",
        "copy (select 1) to '/tmp/sql-attack.csv'",
        "copy events from '/etc/passwd'",
        "export database '/tmp/sql-attack'",
        "import database '/tmp/sql-attack'",
    ],
    "settings": [
        "attach '/tmp/sql-attack.duckdb'",
        "attach ':memory:' as x",
        "detach data",
        "use memory",
        "install httpfs",
        "load httpfs",
        "set memory_limit = '100GB'",
        "set enable_external_access = true",
        "reset memory_limit",
        "pragma database_list",
        "pragma enable_profiling",
        "call duckdb_settings()",
        "checkpoint",
        "force checkpoint",
        "vacuum",
        "begin",
        "create secret (type s3, key_id 'x', secret 'y')",
        "select * from which_secret('s3://x', 's3')",
    ],
    "process": [
        "select getenv('DATABASE_URL')",
        "select GETENV('HOME')",
        "select \"getenv\"('HOME')",
        "select main.getenv('HOME')",
        "select system.main.getenv('HOME')",
        "select 'HOME'.getenv()",
        "select current_setting('temp_directory')",
        "select getvariable('x')",
        "select version()",
        "select current_query()",
        "select * from icu_calendar_names()",
        "select * from test_all_types()",
        "select * from duckdb_settings()",
        "select * from duckdb_secrets()",
        "select * from duckdb_databases()",
        "select * from duckdb_tables()",
        "select * from duckdb_views()",
        "select * from duckdb_functions()",
        "select * from duckdb_temporary_files()",
        "select * from duckdb_logs()",
        "select * from pragma_database_size()",
        "select * from pragma_table_info('events')",
        "select * from information_schema.tables",
        "select * from pg_catalog.pg_tables",
        "select * from sqlite_master",
        "select * from system.information_schema.tables",
        "select * from memory.main.events",
        "select * from data.main.events",
        "select path from (with duckdb_databases as (select 1) select 1) a, duckdb_databases",
        "with duckdb_databases as (from duckdb_databases) from duckdb_databases",
        "with duckdb_databa\u017fes as (select 1) from duckdb_databases",
        'select * from (with "/etc/passwd" as (select 1) select 1), "/etc/passwd"',
        "describe events",
        "show all tables",
        "summarize events",
        "select write_log('x')",
        "select pg_sleep(1)",
        "select sleep_ms(1000)",
        "select nextval('x')",
    ],
    "indirect": [
        "select * from query('select 1')",
        "select * from query_table('events')",
        "select * from query_table(['events', 'users'])",
        "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
        "pragma json_execute_serialized_sql('x')",
        "select json_serialize_plan('select 1')",
        "select * from arrow_scan(1, 2, 3)",
        "select * from arrow_scan_dumb(1, 2, 3)",
        "select * from pandas_scan(1)",
        "select * from python_map_function(1)",
        "select * from connection",
        "select * from question",
    ],
    "changes": [
        "insert into events values (1)",
        "update events set user_id = ''",
        "delete from events",
        "drop table events",
        "truncate events",
        "create table x (i int)",
        "create or replace view events as select 1",
        "create macro f() as 1",
        "create function f() as table select * from read_text('/etc/passwd')",
        "create temp table x as select 1",
        "with x as (insert into events values (1) returning 1) select * from x",
        "with x as (delete from events returning 1) select * from x",
        "select 1 into x",
        "alter table events rename to x",
        "comment on table events is 'x'",
    ],
    "statements": [
        "",
        ";",
        "-- nothing",
        "select 1; select 2",
        "select 1;; drop table events",
        "select 1 /* ; */; attach 'x'",
        "prepare x as select 1",
        "execute x",
        "deallocate x",
        "select ?",
        "select $1",
        "select $name",
        "explain create table x (i int)",
        "explain copy (select 1) to '/tmp/sql-attack'",
        "explain (format json) select 1",
        "explain explain select 1",
        "explain select * from read_text('/etc/passwd')",
        "explain analyze attach '/tmp/sql-attack.duckdb'",
        "explain analyze select 1; attach 'x'",
    ],
    "parentheses": [
        "select 1) as x(c0); attach '/tmp/x' as y; select * from (select 1",
        "select 1) --",
        "select 1 /*",
        "select 'x",
        "select $$x",
    ],
    "text": [
        "select * from events\u2028where",
        "\uff53elect 1",
        "select * from ev\u0435nts",
        "select U&'\\00'",
    ],
}
"""By what they are about."""

EXHAUSTING = [
    "select repeat('x', 1000000000)",
    "select repeat('x', 4000000000) from range(100)",
    "select length(repeat(repeat('x', 100000), 100000))",
    "select list(x) from range(1000000000) t(x)",
    "select range(1000000000000)",
    "select unnest(range(100000000)) as x order by random()",
    "select string_agg(repeat('x', 1000000), '') from range(100000)",
    "select list_transform(range(100000000), lambda x: repeat('x', 1000))",
    "select array_agg(a) from range(1000000) a, range(1000000) b",
    "select max(a + b) from range(1000000000000) t(a), range(1000000000000) s(b)",
    "with recursive a(n) as (select 1 union all select n + 1 from a) select count(*) from a",
    "with recursive a(n) as (select 1 union all select n + 1 from a) select * from a order by n desc",
    "with recursive a(n) as (select 1::double union all select a.n + b.n from a, a as b) select max(n) from a",
    "select sum(regexp_matches(repeat('a', 3000000) || x, '(a|aa)+$')::int) from range(1000000) t(x)",
    "select levenshtein(repeat('a', 1000000), repeat('b', 1000000))",
    "select histogram(x) from range(1000000000) t(x)",
    "select lpad('x', 2000000000, 'y')",
    "select printf('%2000000000d', 1)",
    "select map(range(50000000), range(50000000))",
]

MALFORMED = {
    "nul": "select 1\0",
    "long": "select " + "1 + " * 6000 + "1",
}


@pytest.fixture(scope="module")
def hurried(start_sql):
    """A service that gives statements little time."""
    return start_sql(SQL_SECONDS="3")


def at_once(url: str, statements: list[str]) -> dict[str, requests.Response]:
    """The answers to statements that are sent a few at a time."""

    def post(sql: str) -> requests.Response:
        return requests.post(f"{url}/sql", json={"sql": sql}, timeout=120)

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(statements, pool.map(post, statements), strict=True))


@pytest.mark.parametrize("group", REFUSED)
def test_refused(sql_query, group):
    for sql, answer in at_once(sql_query.url, REFUSED[group]).items():
        assert answer.status_code == 422, (sql, answer.text)
        assert answer.json()["code"] in ("invalid_sql", "sql_not_allowed", "invalid_parameters"), (sql, answer.text)
        assert str(Path(__file__).parents[3]) not in answer.text
        assert "event-tracker-query" not in answer.text


def test_bounded(hurried):
    for sql, answer in at_once(hurried.url, EXHAUSTING).items():
        assert answer.status_code in (422, 504), (sql, answer.text[:500])
        assert answer.json()["code"] in ("too_large", "statement_timeout", "sql_failed"), (sql, answer.text)
    # The service is as before, and nothing is left running but what waits for the next statement.
    assert requests.get(f"{hurried.url}/readyz", timeout=10).status_code == 200
    assert len(find_sandboxes(hurried)) <= 1


@pytest.mark.parametrize("sql", MALFORMED.values(), ids=MALFORMED)
def test_malformed(post_sql, sql):
    assert post_sql(sql).status_code == 422


@pytest.mark.parametrize("depth", [100, 2000, 9000])
@pytest.mark.parametrize("pair", ["()", "[]"])
def test_deep_nesting_ends_no_service(post_sql, pair, depth):
    sql = f"select {pair[0] * depth}1{pair[1] * depth}"
    answer = post_sql(sql)
    assert answer.status_code in (200, 422), answer.text[:500]
    assert post_sql("select 1").json()["rows"] == [[1]]


def test_half_an_emoji_is_refused(sql_query):
    answer = requests.post(
        f"{sql_query.url}/sql",
        data=b'{"sql": "select \'\\ud800\'"}',
        headers={"Content-Type": "application/json"},
        timeout=30,
    )
    assert answer.status_code in (400, 422)


def find_sandboxes(service) -> list[psutil.Process]:
    """The processes of SQL that a service has."""
    found = []
    for child in psutil.Process(service.process.pid).children(recursive=True):
        with suppress(psutil.Error):
            if "event_tracker.query.sql.sandbox" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found
