"""/sql/queries: statements that are kept under a name, and who sees and changes them."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from signing_key import make_signing_key

from event_tracker.core.secrets.keys import make_key
from event_tracker.query.sql.saved import MAX_CHARACTERS, MAX_QUERIES, MAX_SPACE_CHARACTERS

Ask = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def guarded_sql(start_guarded):
    return start_guarded(SQL="on")


@pytest.fixture
def program(guarded_sql, shared_owner) -> Callable[..., Ask]:
    """program(["sql"], sources=["shop"]): a function that asks for /sql/queries with a token of its own; its `prefix` is the token's."""
    shared_owner.execute("truncate saved_queries")

    def make(scopes: list[str] | None = None, sources: list[str] | None = None) -> Ask:
        key = make_key("rt")
        shared_owner.execute(
            "insert into api_tokens (prefix, name, hash, scopes, sources) values (%s, 'x', %s, %s, %s)",
            [key.prefix, key.hash, scopes or ["sql"], sources],
        )

        def ask(method: str, name: str = "", body: Any = None, service: Any = guarded_sql) -> requests.Response:
            headers = {"Authorization": f"Bearer {key.key}"}
            url = f"{service.url}/sql/queries/{name}".rstrip("/")
            return requests.request(method, url, json=body, headers=headers, timeout=60)

        ask.prefix = key.prefix  # type: ignore[attr-defined]
        return ask

    return make


def names(ask: Ask) -> list[str]:
    answer = ask("GET")
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


def save(ask: Ask, name: str, sql: str = "select 1") -> int:
    return ask("PUT", name, {"sql": sql}).status_code


def test_a_query_is_saved_listed_changed_and_removed(program):
    ann = program()
    assert names(ann) == []
    assert (save(ann, "daily", "select 1"), save(ann, "a.b_c-1", "select 2")) == (201, 201)
    assert names(ann) == ["a.b_c-1", "daily"]
    assert (save(ann, "daily", "select 3 -- é"), save(ann, "daily", "select 3 -- é")) == (200, 200)
    found = ann("GET", "daily").json()
    assert (found["name"], found["sql"], found["owner"]) == ("daily", "select 3 -- é", ann.prefix)
    assert ann("DELETE", "daily").status_code == 204
    assert [ann(method, "daily").status_code for method in ("GET", "DELETE")] == [404, 404]
    assert names(ann) == ["a.b_c-1"]


def test_all_who_see_every_source_share_queries_that_their_owner_and_admins_change(program):
    ann, ben, admin = program(), program(), program(["sql", "admin"])
    save(ann, "daily", "select 1")
    assert ben("GET", "daily").json()["sql"] == "select 1"
    for answer in (ben("PUT", "daily", {"sql": "select 2"}), ben("DELETE", "daily")):
        assert (answer.status_code, answer.json()["code"]) == (403, "not_the_owner")
    assert save(admin, "daily", "select 3") == 200
    assert ben("GET", "daily").json() | {"changed_at": None} == {
        "name": "daily", "sql": "select 3", "owner": ann.prefix, "changed_at": None,
    }  # fmt: skip
    assert save(ann, "daily", "select 4") == 200
    assert admin("DELETE", "daily").status_code == 204


def test_who_is_restricted_has_queries_of_their_own_and_sees_no_others(program):
    """Neither those that are shared, nor those of others who are restricted to the same sources; admins neither."""
    everybody = program(["sql", "admin"])
    of_shop, also_of_shop, admin_of_shop = (
        program(scopes, sources=["shop"]) for scopes in (["sql"], ["sql"], ["sql", "admin"])
    )
    save(everybody, "daily", "select 1")
    assert save(of_shop, "daily", "select 2") == 201
    for other in (also_of_shop, admin_of_shop):
        assert names(other) == []
        assert [other(method, "daily").status_code for method in ("GET", "DELETE")] == [404, 404]
    assert save(also_of_shop, "daily", "select 3") == 201
    found = [ask("GET", "daily").json()["sql"] for ask in (everybody, of_shop, also_of_shop)]
    assert found == ["select 1", "select 2", "select 3"]
    assert of_shop("DELETE", "daily").status_code == 204
    assert [names(ask) for ask in (everybody, of_shop, also_of_shop)] == [["daily"], [], ["daily"]]


def test_changes_are_in_the_audit_log(program, shared_owner):
    shared_owner.execute("delete from audit")
    ann = program()
    for sql in ("select 1", "select 1", "select 2"):
        save(ann, "daily", sql)
    ann("DELETE", "daily")
    ann("DELETE", "daily")
    found = shared_owner.execute("select actor, action, target, detail from audit order by id").fetchall()
    assert [tuple(row) for row in found] == [
        (ann.prefix, "query_saved", "daily", {"sql": "select 1"}),
        (ann.prefix, "query_saved", "daily", {"sql": "select 2"}),
        (ann.prefix, "query_removed", "daily", {"sql": "select 2"}),
    ]


def test_there_are_so_many_at_most(program, shared_owner):
    ann = program()
    shared_owner.execute(
        "insert into saved_queries (name, sql, owner) select 'q' || n, 'select 1', %s from generate_series(1, %s) n",
        [ann.prefix, MAX_QUERIES],
    )
    answer = ann("PUT", "one-more", {"sql": "select 1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_queries")
    assert ann("GET", "one-more").status_code == 404
    assert save(ann, "q7", "select 2") == 200
    assert save(program(sources=["shop"]), "one-more") == 201


def test_they_have_so_many_characters_at_most(program, shared_owner):
    ann, long = program(), "select 1 -- ".ljust(MAX_CHARACTERS, "x")
    shared_owner.execute(
        "insert into saved_queries (name, sql, owner) select 'q' || n, %s, %s from generate_series(1, %s) n",
        [long, ann.prefix, MAX_SPACE_CHARACTERS // MAX_CHARACTERS],
    )
    answer = ann("PUT", "one-more", {"sql": "select 1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_queries")
    assert save(ann, "q7", "select 2") == 200
    assert save(ann, "one-more") == 201


def test_those_of_a_restricted_token_end_with_it(program, shared_owner):
    for_all, of_shop, of_blog = program(), program(sources=["shop"]), program(sources=["blog"])
    for ask in (for_all, of_shop, of_blog):
        assert save(ask, "daily") == 201
    shared_owner.execute(
        "update api_tokens set revoked_at = now() where prefix = any (%s)", [[for_all.prefix, of_shop.prefix]]
    )
    left = shared_owner.execute("select space from saved_queries order by space").fetchall()
    assert left == [("",), (f"token:{of_blog.prefix}",)]


@pytest.mark.parametrize("name", ["a%20b", ".a", "-a", "é", "a" * 101, "a%2Fb", "a%0Ab", "a%0A"])
def test_other_names_are_not_there(program, name):
    ann = program()
    assert [ann("PUT", name, {"sql": "select 1"}).status_code, ann("GET", name).status_code] == [404, 404]


@pytest.mark.parametrize(
    ("body", "parameter"),
    [({}, "sql"), ({"sql": ""}, "sql"), ({"sql": "x" * 20_001}, "sql"), ({"sql": 1}, "sql"), ({"sql": "a\0"}, "sql")],
)  # fmt: skip
def test_wrong_bodies_are_told(program, body, parameter):
    answer = program()("PUT", "daily", body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["parameter"] == parameter


def test_without_the_scope_there_are_none(program, guarded_sql):
    assert program(["read_stats", "read_events", "export", "admin"])("GET").status_code == 403
    assert requests.get(f"{guarded_sql.url}/sql/queries", timeout=30).status_code == 401


def test_where_everybody_may_read_nobody_saves_without_credentials(start_sql, postgres, shared_database):
    control = postgres.url(shared_database, "control")
    service = start_sql(CONTROL_DATABASE_URL=control, SIGNING_KEY=make_signing_key())
    url = f"{service.url}/sql/queries"
    assert requests.get(url, timeout=30).status_code == 200
    for answer in (
        requests.put(f"{url}/daily", json={"sql": "select 1"}, timeout=30),
        requests.delete(f"{url}/daily", timeout=30),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "sign_in_required")


def test_a_service_without_sql_has_none(guarded, program):
    answer = program()("GET", service=guarded)
    assert (answer.status_code, answer.json()["code"]) == (404, "sql_off")
