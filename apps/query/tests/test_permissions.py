"""Permissions: who may call which endpoint. A fixed cast calls each of them.

Ann is an admin, Ben an analyst, Vic a viewer. Five programs have a token each, for one scope. Nobody has no credentials.
"""

import http.client
import time

import psycopg
import pytest
import requests
from flask import Flask
from listener import listening

from event_tracker.core.http.docs_page import docs_routes
from event_tracker.core.http.routes import RouteTable
from event_tracker.core.http.service import common_routes
from event_tracker.core.secrets.keys import make_key
from event_tracker.core.secrets.passwords import hash_password
from event_tracker.query.auth.guard import ANY, ONE_TIME
from event_tracker.query.auth.principal import SCOPES
from event_tracker.query.events.streams.live import CHECK_SECONDS
from event_tracker.query.routes import TABLES

PASSWORD = "correct horse battery"

PEOPLE = {"ann": "admin", "ben": "analyst", "vic": "viewer"}
PROGRAMS = {"charts": "read_stats", "reader": "read_events", "backup": "export", "asker": "sql", "deploy": "admin"}

STATS = {"ann", "ben", "vic", "charts"}
EVENTS = {"ann", "ben", "reader"}
EXPORTS = {"ann", "ben", "backup"}
ASKERS = {"ann", "ben", "asker"}
ADMINS = {"ann", "deploy"}
EVERYONE = {*PEOPLE, *PROGRAMS}

BODIES = {
    "POST /events/search": {"filter": {"field": "user_id", "operator": "is", "value": "ann"}},
    "POST /stats/top-properties": {"key": "page"},
    "POST /stats/funnel": {"steps": [{"event_type": "view"}, {"event_type": "buy"}]},
    "PUT /admin/sources/shop/schemas": {"event_type": "view", "schema": {}},
    "PUT /admin/sources/shop/pages": {"pages": [{"path": "/", "title": "Home"}]},
    "POST /admin/rejections/replay": {"source": "shop"},
    "POST /admin/links/remove": {"alias": "visitor", "person": "ann"},
    "POST /admin/links/restore": {"alias": "visitor", "person": "ann"},
    "POST /admin/tokens": {"name": "x", "scopes": ["read_stats"], "sources": None},
    "POST /admin/apply": {"sources": {}},
}

ENDPOINTS = {
    "GET /stats/top-types": STATS,
    "GET /stats/timeseries": STATS,
    "GET /stats/users": STATS,
    "GET /stats/sessions": STATS,
    "GET /stats/top-properties?key=page": STATS,
    "GET /stats/fields": STATS,
    "GET /stats/values?field=event_type": STATS,
    "POST /stats/funnel": STATS,
    "GET /stats/retention": STATS,
    "GET /stats/paths": STATS,
    "GET /stats/web": STATS,
    "GET /stats/web/top": STATS,
    "HEAD /stats/top-types": STATS,
    "POST /stats/top-types": STATS,
    "POST /stats/timeseries": STATS,
    "POST /stats/users": STATS,
    "POST /stats/sessions": STATS,
    "POST /stats/top-properties": STATS,
    "POST /stats/retention": STATS,
    "POST /stats/paths": STATS,
    "POST /stats/web": STATS,
    "POST /stats/web/top": STATS,
    "GET /events": EVENTS,
    "GET /events?user_id=ann": EVENTS,
    "HEAD /events": EVENTS,
    "POST /events/search": EVENTS,
    "GET /events/live": EVENTS,
    "GET /events/users": EVENTS,
    "GET /users": EVENTS,
    "GET /users/ann": EVENTS,
    "GET /user?user_id=ann": EVENTS,
    "HEAD /user?user_id=ann": EVENTS,
    "GET /events/export": EXPORTS,
    "POST /sql": ASKERS,
    "GET /sql/queries": ASKERS,
    "GET /sql/queries/daily": ASKERS,
    "PUT /sql/queries/daily": ASKERS,
    "DELETE /sql/queries/daily": ASKERS,
    "GET /users/ann/export": ADMINS,
    "DELETE /users/ann": ADMINS,
    "GET /user/export?user_id=ann": ADMINS,
    "DELETE /user?user_id=ann": ADMINS,
    "GET /admin/anything": ADMINS,
    "GET /admin/sources": ADMINS,
    "GET /admin/sources/shop": ADMINS,
    "PUT /admin/sources/shop": ADMINS,
    "GET /admin/sources/shop/keys": ADMINS,
    "POST /admin/sources/shop/keys": ADMINS,
    "DELETE /admin/keys/wk_0123456789": ADMINS,
    "GET /admin/sources/shop/schemas": ADMINS,
    "PUT /admin/sources/shop/schemas": ADMINS,
    "GET /admin/sources/shop/schemas/proposal?event_type=view": ADMINS,
    "GET /admin/sources/shop/pages": ADMINS,
    "PUT /admin/sources/shop/pages": ADMINS,
    "DELETE /admin/sources/shop/pages?path=/nowhere": ADMINS,
    "GET /admin/rejections": ADMINS,
    "GET /admin/rejections/counts": ADMINS,
    "POST /admin/rejections/replay": ADMINS,
    "GET /admin/links": ADMINS,
    "POST /admin/links/remove": ADMINS,
    "POST /admin/links/restore": ADMINS,
    "GET /admin/tokens": ADMINS,
    "POST /admin/tokens": ADMINS,
    "DELETE /admin/tokens/rt_0123456789": ADMINS,
    "GET /admin/people": ADMINS,
    "GET /admin/people/zoe": ADMINS,
    "PUT /admin/people/zoe": ADMINS,
    "POST /admin/people/zoe/password": ADMINS,
    "GET /admin/audit": ADMINS,
    "POST /admin/apply": ADMINS,
    "GET /auth/me": EVERYONE,
    "GET /sources": EVERYONE,
    "GET /nowhere": EVERYONE,
}
PUBLIC = {
    "GET /livez": 200,
    "GET /readyz": 200,
    "GET /healthz": 200,
    "GET /metrics": 200,
    "GET /version": 200,
    "GET /openapi.json": 200,
    "GET /": 302,
    "GET /docs": 302,
    "GET /docs/": 200,
    "GET /docs/start.js": 200,
    "GET /docs/index.css": 200,
    "GET /.well-known/jwks.json": 200,
    "GET /auth/methods": 200,
    "POST /auth/sign-in": 422,
    "POST /auth/refresh": 422,
    "POST /auth/sign-out": 422,
    "GET /auth/oidc": 404,
    "POST /auth/oidc": 404,
}
"""Who needs no credentials gets this far: their body is empty, and there is no provider."""

PEOPLE_ONLY = {"POST /auth/password"}
"""Needs any credentials, and then a person's."""


@pytest.fixture(scope="module")
def table():
    """The service's route table, without what the routes work with."""
    table = RouteTable()
    for routes in (*TABLES.values(), common_routes(None, {}, None), docs_routes("")):
        table.add(routes)
    table.register(Flask(__name__))
    return table


@pytest.fixture(scope="module")
def guarded(start_guarded):
    """One whose access tokens last for all of this module's tests."""
    return start_guarded(ACCESS_MINUTES=120)


@pytest.fixture(scope="module")
def cast(guarded, postgres, shared_database):
    """name → the headers that they send."""
    keys = {name: make_key("rt") for name in PROGRAMS}
    with psycopg.connect(postgres.url(shared_database), autocommit=True) as owner:
        for name, role in PEOPLE.items():
            owner.execute(
                "insert into people (name, password_hash, role) values (%s, %s, %s)",
                [name, hash_password(PASSWORD), role],
            )
        for name, key in keys.items():
            owner.execute(
                "insert into api_tokens (prefix, name, hash, scopes) values (%s, %s, %s, %s)",
                [key.prefix, name, key.hash, [PROGRAMS[name]]],
            )
    tokens = {name: key.key for name, key in keys.items()}
    for name in PEOPLE:
        body = {"name": name, "password": PASSWORD}
        tokens[name] = requests.post(f"{guarded.url}/auth/sign-in", json=body, timeout=30).json()["access_token"]
    return {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}


def ask(service, endpoint, headers=None):
    method, path = endpoint.split(" ")
    json = BODIES.get(endpoint, {})
    with requests.request(
        method, f"{service.url}{path}", json=json, headers=headers, timeout=30, stream=True
    ) as answer:
        body = answer.json() if "problem" in answer.headers.get("Content-Type", "") and method != "HEAD" else {}
        return answer.status_code, body.get("code")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("name", sorted(EVERYONE))
def test_who_may_gets_in_and_nobody_else(guarded, cast, endpoint, name):
    status, code = ask(guarded, endpoint, cast[name])
    if name in ENDPOINTS[endpoint]:
        assert status in (200, 201, 202, 404, 405)
    else:
        assert status == 403
        assert code == (None if endpoint.startswith("HEAD") else "scope_required")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_nobody_gets_in_nowhere(guarded, endpoint):
    assert ask(guarded, endpoint)[0] == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer x",
        "Basic YW5uOmFubg==",
        "Bearer rt_0123456789_" + "0" * 40,
        "Bearer wk_0123456789_" + "0" * 40,
        "Bearer " + "x" * 5000,
        "Bearer a.b.c",
    ],
)
def test_wrong_credentials_are_a_401(guarded, header):
    answer = requests.get(f"{guarded.url}/stats/top-types", headers={"Authorization": header}, timeout=30)
    assert answer.status_code == 401
    assert answer.json()["code"] in ("credentials_required", "invalid_credentials")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_known_prefix_with_another_secret_is_a_401(guarded, cast):
    header = cast["charts"]["Authorization"]
    assert (
        ask(guarded, "GET /stats/top-types", {"Authorization": header[:-1] + ("0" if header[-1] != "0" else "1")})[0]
        == 401
    )


@pytest.mark.parametrize("endpoint", PUBLIC)
def test_what_is_public_needs_nothing(guarded, endpoint):
    method, path = endpoint.split(" ")
    answer = requests.request(method, guarded.url + path, json={}, allow_redirects=False, timeout=30)
    assert answer.status_code == PUBLIC[endpoint]


def test_a_password_is_set_by_a_person(guarded, cast):
    assert ask(guarded, "POST /auth/password") == (401, "credentials_required")
    assert ask(guarded, "POST /auth/password", cast["charts"]) == (403, "people_only")


def test_for_every_route_there_is_a_decision(table):
    """A new route must be added here, to those who may call it."""
    decided = []
    for endpoint in (*ENDPOINTS, *PUBLIC, *PEOPLE_ONLY):
        method, path = endpoint.partition("?")[0].split(" ")
        route = table.find({"REQUEST_METHOD": method, "PATH_INFO": path})
        if route:
            decided.append(route)
            assert (route.access == "public") == (endpoint in PUBLIC), endpoint
    assert [f"{route.method} {route.path}" for route in table.routes if route not in decided] == []


def test_the_access_of_every_route_is_one_that_the_guard_knows(table):
    assert {route.access for route in table.routes} == {"public", ANY, ONE_TIME, *SCOPES}


def test_the_document_names_the_scope_of_every_operation(guarded, table):
    document = requests.get(f"{guarded.url}/openapi.json", timeout=30).json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for route in table.routes:
        if route.summary:
            operation = document["paths"][route.template][route.method.lower()]
            needed = [{"token": [route.access] if route.access in SCOPES else []}]
            assert operation.get("security") == (None if route.access == "public" else needed)
            assert ("401" in operation["responses"]) >= ("security" in operation)


def test_a_token_ends_when_it_is_revoked_or_expires(guarded, shared_owner, cast):
    for change in ("revoked_at = now()", "expires_at = now()"):
        key = make_key("rt")
        shared_owner.execute(
            "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'x', %s, '{read_stats}')",
            [key.prefix, key.hash],
        )
        headers = {"Authorization": f"Bearer {key.key}"}
        assert ask(guarded, "GET /stats/top-types", headers)[0] == 200
        shared_owner.execute(f"update api_tokens set {change} where prefix = %s", [key.prefix])
        deadline = time.monotonic() + 20
        while (status := ask(guarded, "GET /stats/top-types", headers)[0]) == 200 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert status == 401
        assert shared_owner.execute(
            "select last_used is not null from api_tokens where prefix = %s", [key.prefix]
        ).fetchone() == (True,)


def test_a_token_is_used_by_who_has_its_secret_and_by_nobody_else(guarded, shared_owner):
    key = make_key("rt")
    shared_owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'x', %s, '{read_stats}')",
        [key.prefix, key.hash],
    )
    for shown, status, used in ((f"{key.prefix}_{'0' * 40}", 401, False), (key.key, 200, True)):
        assert ask(guarded, "GET /stats/top-types", {"Authorization": f"Bearer {shown}"})[0] == status
        noted = "select last_used is not null from api_tokens where prefix = %s"
        assert shared_owner.execute(noted, [key.prefix]).fetchone() == (used,)


def test_a_live_stream_ends_with_its_credentials(guarded, shared_owner):
    key = make_key("rt")
    shared_owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'x', %s, '{read_events}')",
        [key.prefix, key.hash],
    )
    with listening(guarded, headers={"Authorization": f"Bearer {key.key}"}) as listener:
        time.sleep(CHECK_SECONDS + 1)
        assert not listener.ended
        shared_owner.execute("update api_tokens set revoked_at = now() where prefix = %s", [key.prefix])
        deadline = time.monotonic() + 30
        while not listener.ended and time.monotonic() < deadline:
            time.sleep(0.2)
        assert listener.ended


ODD = [
    "//{}", "/./{}", "/stats/../{}", "/stats/%2e%2e/{}", "/stats%2F..%2F{}", "/{};x=/stats/", "/%2F{}", "/{}%00", "/{}/",
    "/{}?/stats/", "/{}%20", "/%09{}", "/stats/top-types/../../{}", "/livez/../{}", "/docs/../{}", "/docs//{}", "/docs/%2e%2e/{}",
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "where", ["admin/people", "events/export", "users/ann/export", "user/export", "Admin/people", "ADMIN/sources"]
)
def test_no_odd_path_opens_a_door(guarded, cast, odd, where):
    """Sent as it stands: clients would tidy it up."""
    host, port = guarded.url.removeprefix("http://").split(":")
    for name in ("vic", None):
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        connection.request("GET", odd.format(where), headers=cast[name] if name else {})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status in (400, 401, 403, 404), (answer.status, body[:200])


@pytest.mark.parametrize("path", ["//metrics", "///livez", "/%2Fmetrics", "/metrics/", "/metrics%20", "/docs//metrics"])
def test_what_is_public_is_so_by_its_own_path_alone(guarded, path):
    host, port = guarded.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.request("GET", path)
    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize("path", ["/admin/people", "//admin/people", "/%2Fadmin/people"])
def test_open_is_open_for_reading_only(start_guarded, cast, path):
    service = start_guarded(AUTH="open")
    host, port = service.url.removeprefix("http://").split(":")
    for method in ("GET", "POST", "PUT"):
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        connection.request(method, path, body=b"{}" if method != "GET" else None)
        assert connection.getresponse().status in (401, 403, 404, 405)
        connection.close()


def test_where_all_is_open_anyone_reads_and_nobody_manages(query):
    assert ask(query, "GET /stats/top-types") == (200, None)
    assert ask(query, "GET /events") == (200, None)
    assert ask(query, "GET /admin/anything") == (401, "credentials_required")
    assert ask(query, "DELETE /users/ann") == (401, "credentials_required")
    assert ask(query, "GET /stats/top-types", {"Authorization": "Bearer x"}) == (401, "invalid_credentials")
    assert (
        requests.post(f"{query.url}/auth/sign-in", json={"name": "a", "password": "b"}, timeout=30).status_code == 404
    )


def test_the_role_that_answers_questions_sees_nothing_of_people(postgres, database):
    with psycopg.connect(postgres.url(database, "query"), autocommit=True) as connection:
        for table in ("people", "sign_ins", "failed_sign_ins", "api_tokens", "audit", "write_keys"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select * from {table}")


def test_the_role_that_manages_cannot_change_the_audit_log(postgres, database):
    with psycopg.connect(postgres.url(database, "control"), autocommit=True) as connection:
        for statement in ("update audit set actor = 'x'", "delete from audit", "truncate audit"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_settings_that_contradict_each_other_are_told(start_service, postgres, database):
    url = postgres.url(database, "query")
    for settings, says in (
        ({"AUTH": "required"}, "CONTROL_DATABASE_URL"),
        ({"CONTROL_DATABASE_URL": url}, "SIGNING_KEY"),
        ({"CONTROL_DATABASE_URL": url, "SIGNING_KEY": "hunter2"}, "SIGNING_KEY"),
    ):
        service = start_service("query", wait=False, DATABASE_URL=url, **settings)
        assert service.process.wait(30) == 1
        assert says in service.log.read_text()
        assert "hunter2" not in service.log.read_text()
