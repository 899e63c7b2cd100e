"""Who may ask in SQL, of which sources, and what the audit log has."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from event_tracker.core.secrets.keys import make_key


@pytest.fixture(scope="module")
def guarded_sql(start_guarded):
    return start_guarded(SQL="on", SQL_SECONDS="120")


@pytest.fixture
def ask(guarded_sql, shared_owner):
    """ask("select 1", scopes=["sql"], sources=["shop"]) is what a program with a token of its own is answered."""

    def ask(sql: str, scopes: list[str] | None = None, sources: list[str] | None = None, **given) -> requests.Response:
        key = make_key("rt")
        shared_owner.execute(
            "insert into api_tokens (prefix, name, hash, scopes, sources) values (%s, 'x', %s, %s, %s)",
            [key.prefix, key.hash, scopes or ["sql"], sources],
        )
        headers = {"Authorization": f"Bearer {key.key}"}
        body = {"sql": sql, "from": "2026-03-01", "to": "2026-04-01", **given}
        return requests.post(f"{guarded_sql.url}/sql", json=body, headers=headers, timeout=60)

    return ask


def test_the_scope_is_needed(ask, guarded_sql):
    assert ask("select 1").status_code == 200
    for scope in ("read_stats", "read_events", "export", "admin"):
        answer = ask("select 1", [scope])
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_required")
    assert requests.post(f"{guarded_sql.url}/sql", json={"sql": "select 1"}, timeout=30).status_code == 401


def test_it_is_off_by_default(guarded, shared_query):
    answer = requests.post(f"{shared_query.url}/sql", json={"sql": "select 1"}, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (404, "sql_off")
    assert requests.post(f"{guarded.url}/sql", json={"sql": "select 1"}, timeout=30).status_code == 401


@pytest.mark.parametrize("view", ["events", "pages", "sessions", "users"])
def test_only_events_of_the_sources_that_one_may_see(ask, store, view):
    """As if the others weren't stored, by whatever name they are asked for; also after one who may see all has asked."""
    page = {"event_type": "page_view", "properties": {"page": "/"}}
    store([{"source": "shop", **page}, {"source": "blog", "user_id": "bob", **page}])
    everything = f"select user_id from {view} order by all"
    assert ask(everything).json()["rows"] == [["ann"], ["bob"]]
    assert ask(everything, sources=["shop"]).json()["rows"] == [["ann"]]
    assert ask(everything, sources=["shop"], source=["blog"]).json()["rows"] == []
    assert ask(everything, sources=["shop"], source=["blog", "shop"]).json()["rows"] == [["ann"]]


def test_first_seen_is_by_the_sources_that_one_may_see(ask, store, minutes):
    store([{"source": "blog", "timestamp": minutes(-100_000)}, {"source": "shop"}])
    asked = "select user_id, is_new from users"
    assert ask(asked).json()["rows"] == [["ann", False]]
    assert ask(asked, sources=["shop"]).json()["rows"] == [["ann", True]]


def test_each_statement_is_in_the_audit_log(ask, shared_owner):
    """Also one that is refused, before it is run."""
    shared_owner.execute("delete from audit")
    ask("select 1 as x", sources=["shop"])
    ask("select * from read_text('/etc/passwd')")
    found = shared_owner.execute("select action, detail from audit order by id").fetchall()
    assert [action for action, _ in found] == ["sql_asked", "sql_asked"]
    assert found[0][1] == {
        "sql": "select 1 as x",
        "from": "2026-03-01T00:00:00+00:00",
        "to": "2026-04-01T00:00:00+00:00",
        "sources": ["shop"],
        "identity": "linked",
        "format": "json",
    }
    assert found[1][1]["sql"] == "select * from read_text('/etc/passwd')"


def test_without_the_audit_log_nothing_is_run(ask, shared_owner):
    shared_owner.execute("revoke insert on audit from control")
    try:
        assert ask("select 1").status_code >= 500
    finally:
        shared_owner.execute("grant insert on audit to control")


def test_outcomes_are_counted(ask, guarded_sql):
    def count(outcome: str) -> float:
        text = requests.get(f"{guarded_sql.url}/metrics", timeout=30).text
        lines = [
            line for line in text.splitlines() if line.startswith(f'query_sql_statements_total{{outcome="{outcome}"}}')
        ]
        return float(lines[0].split()[-1]) if lines else 0

    before = count("answered"), count("refused")
    ask("select 1")
    ask("selec 1")
    assert (count("answered"), count("refused")) == (before[0] + 1, before[1] + 1)


def test_one_statement_of_a_person_at_once(guarded_sql, shared_owner, store):
    """A second one waits for the first; another person's doesn't."""
    store([{}])
    key, another = make_key("rt"), make_key("rt")
    for one in (key, another):
        shared_owner.execute(
            "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'x', %s, '{sql}')", [one.prefix, one.hash]
        )

    def post(key: str, sql: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"}
        body = {"sql": sql, "from": "2026-03-01", "to": "2026-04-01"}
        return requests.post(f"{guarded_sql.url}/sql", json=body, headers=headers, timeout=90)

    with ThreadPoolExecutor(2) as pool:
        with shared_owner.transaction():
            shared_owner.execute("lock table event_counts in access exclusive mode")
            first = pool.submit(post, key.key, "select count(*) from events")
            while not shared_owner.execute("select from audit where detail->>'sql' like '%% from events'").fetchall():
                time.sleep(0.02)
            again = pool.submit(post, key.key, "select 1")
            assert post(another.key, "select 1").json()["rows"] == [[1]]
            assert again.result().json()["code"] == "busy"
        assert first.result().json()["rows"] == [[1]]
