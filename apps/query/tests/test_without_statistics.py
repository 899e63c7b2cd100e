"""Statistics on tables that PostgreSQL hasn't analysed yet: a new server's, or those of a month that has just begun.

The planner then expects one row where there are thousands. The rows that a plan compares are counted; nothing is timed. Questions
that DuckDB answers are held to the same: its plans depend on guesses, too.
"""

from datetime import timedelta

import pytest
import requests

DAYS = {"from": "2026-03-01", "to": "2026-03-08"}
STEPS = {**DAYS, "steps": [{"event_type": "view"}, {"event_type": "buy"}]}

QUESTIONS = {
    "events": ("stats/timeseries", {"interval": "hour", "breakdown": "event_type"}),
    "users over time": ("stats/timeseries", {"metric": "users", "breakdown": "property:page"}),
    "sessions over time": ("stats/timeseries", {"metric": "sessions"}),
    "users": ("stats/users", {"interval": "day"}),
    "sessions": ("stats/sessions", {}),
    "top properties": ("stats/top-properties", {"key": "page"}),
    "retention": ("stats/retention", {"period": "day"}),
    "paths": ("stats/paths", {}),
    "a funnel": ("stats/funnel", {}),
    "users of events": ("events/users", {}),
}

USERS = 150
TIMES = 4
MAX_TIMES = 6
"""As many more rows for so many times the users: linear, with something to spare."""


@pytest.fixture(scope="module")
def explaining(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("explaining")) as start:
        yield start("query", DATABASE_URL=postgres.url(shared_database, "query"), EXPLAIN="true")


@pytest.fixture
def stored(shared_owner, store, minutes):
    """stored(users): each has two events on each of two days, on tables that are never analysed."""
    tables = shared_owner.execute(
        "select oid::regclass::text from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    ).fetchall()
    for (table,) in tables:
        shared_owner.execute(f"alter table {table} set (autovacuum_enabled = false)")

    def stored(first: int, last: int) -> None:
        store(
            {
                "user_id": f"user-{number}",
                "timestamp": minutes(1440 * day + number / 10) + timedelta(seconds=step),
                "event_type": ("view", "buy")[step],
                "source": "shop",
                "properties": {"page": "/"},
            }
            for number in range(first, last)
            for day in range(2)
            for step in range(2)
        )
        assert shared_owner.execute("select max(reltuples) from pg_class where oid = 'users'::regclass").fetchone() == (
            -1,
        )

    return stored


def rows_compared(explain) -> int:
    """Rows that the parts of a plan returned or left out."""
    plan = explain["plan"]
    return sum(map(rows_in_columns, plan["operator"])) if explain["engine"] == "duckdb" else rows_in_tables(plan)


def rows_in_columns(operator) -> int:
    return (
        operator["intermediate_rows"]
        + operator.get("rows_scanned", 0)
        + sum(map(rows_in_columns, operator.get("children", [])))
    )


def rows_in_tables(node) -> int:
    """Rows that the nodes of a plan returned or left out, in all loops. PostgreSQL reports means per loop."""
    each = node["Actual Rows"] + sum(count for name, count in node.items() if name.startswith("Rows Removed by"))
    return round(each * node["Actual Loops"]) + sum(map(rows_in_tables, node.get("Plans", [])))


def ask(service, question, sources) -> int:
    path, parameters = QUESTIONS[question]
    url = f"{service.url}/{path}"
    if path == "stats/funnel":
        answer = requests.post(url, params={"explain": "true", **sources}, json=STEPS, timeout=30)
    else:
        answer = requests.get(url, params={"explain": "true", **DAYS, **parameters, **sources}, timeout=30)
    assert answer.ok, answer.text
    return rows_compared(answer.json()["explain"])


def test_work_is_linear_in_the_number_of_users(explaining, stored):
    asked = [(question, sources) for question in QUESTIONS for sources in ({}, {"source": "shop"})]
    stored(0, USERS)
    few = [ask(explaining, *each) for each in asked]
    stored(USERS, TIMES * USERS)
    many = [ask(explaining, *each) for each in asked]
    grown = [
        (each, before, after)
        for each, before, after in zip(asked, few, many, strict=True)
        if after > MAX_TIMES * before
    ]
    assert grown == []
