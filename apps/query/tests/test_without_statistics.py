"""Statistics on tables that PostgreSQL hasn't analysed yet: a new server's, or those of a month that has just begun.

The planner then expects one row where there are thousands. The rows that a plan compares are counted; nothing is timed.
"""

from datetime import timedelta

import pytest
import requests

DAYS = {"from": "2026-03-01", "to": "2026-03-08"}
STEPS = {**DAYS, "steps": [{"event_type": "view"}, {"event_type": "buy"}]}

QUESTIONS = {
    "events": ("timeseries", {"interval": "hour", "breakdown": "event_type"}),
    "users over time": ("timeseries", {"metric": "users", "breakdown": "property:page"}),
    "sessions over time": ("timeseries", {"metric": "sessions"}),
    "users": ("users", {"interval": "day"}),
    "sessions": ("sessions", {}),
    "top properties": ("top-properties", {"key": "page"}),
    "retention": ("retention", {"period": "day"}),
    "paths": ("paths", {}),
    "a funnel": ("funnel", {}),
}

USERS = 150
TIMES = 4
MOST_TIMES = 6
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


def rows_compared(node) -> int:
    """Rows that the nodes of a plan returned or left out, in all loops. PostgreSQL reports means per loop."""
    each = node["Actual Rows"] + sum(count for name, count in node.items() if name.startswith("Rows Removed by"))
    return round(each * node["Actual Loops"]) + sum(map(rows_compared, node.get("Plans", [])))


def ask(service, question, sources) -> int:
    path, parameters = QUESTIONS[question]
    url = f"{service.url}/stats/{path}"
    if path == "funnel":
        answer = requests.post(url, params={"explain": "true", **sources}, json=STEPS, timeout=30)
    else:
        answer = requests.get(url, params={"explain": "true", **DAYS, **parameters, **sources}, timeout=30)
    assert answer.ok, answer.text
    return rows_compared(answer.json()["explain"]["plan"])


def test_work_is_linear_in_the_number_of_users(explaining, stored):
    asked = [(question, sources) for question in QUESTIONS for sources in ({}, {"source": "shop"})]
    stored(0, USERS)
    few = [ask(explaining, *each) for each in asked]
    stored(USERS, TIMES * USERS)
    many = [ask(explaining, *each) for each in asked]
    grown = [
        (each, before, after)
        for each, before, after in zip(asked, few, many, strict=True)
        if after > MOST_TIMES * before
    ]
    assert grown == []
