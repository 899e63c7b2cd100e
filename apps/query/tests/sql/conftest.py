"""A query service with SQL on, for a module."""

from collections.abc import Callable
from typing import Any

import pytest
import requests


@pytest.fixture(scope="module")
def start_sql(postgres, shared_database, tmp_path_factory, launcher):
    """start_sql(SETTING=...): a query service on the shared database, with SQL on."""
    url = postgres.url(shared_database, "query")
    given = {"SQL": "on", "SQL_STATEMENTS": "4", "SQL_MEMORY_BYTES": str(2**26), "SQL_SECONDS": "120"}
    with launcher(tmp_path_factory.mktemp("sql")) as start:
        yield lambda **settings: start("query", DATABASE_URL=url, **{**given, **settings})


@pytest.fixture(scope="module")
def sql_query(start_sql):
    """A service that gives statements time."""
    return start_sql()


@pytest.fixture
def post_sql(sql_query, shared_owner) -> Callable[..., requests.Response]:
    """post_sql("select 1", limit=5) on empty tables, of March 2026."""

    def post_sql(sql: str, **given: Any) -> requests.Response:
        body = {"from": "2026-03-01", "to": "2026-04-01", "sql": sql, **given}
        return requests.post(f"{sql_query.url}/sql", json=body, timeout=60)

    return post_sql


@pytest.fixture
def rows(post_sql) -> Callable[..., list[list[Any]]]:
    """rows("select 1") are the rows that the statement answers."""

    def rows(sql: str, **given: Any) -> list[list[Any]]:
        answer = post_sql(sql, **given)
        assert answer.status_code == 200, answer.text
        found: list[list[Any]] = answer.json()["rows"]
        return found

    return rows
