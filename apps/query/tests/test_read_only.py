"""A query service with a read-only database: queries are answered, and requests that would write get a 503."""

import psycopg
import pytest
import requests
from replicas import asked, standby_of
from signing_key import make_signing_key

from event_tracker.core.secrets.keys import make_key
from event_tracker.core.secrets.passwords import hash_password

READ_ONLY = (503, "1", "database_read_only")
PASSWORD = "a rather long password"


def said(answer):
    return answer.status_code, answer.headers.get("Retry-After"), answer.json().get("code")


@pytest.fixture
def token(own_postgres):
    """A token that may do everything; and there is the person ann."""
    key = make_key("rt")
    scopes = ["read_stats", "read_events", "export", "admin"]
    with psycopg.connect(own_postgres.url("events")) as owner:
        given = [key.prefix, "x", key.hash, scopes]
        owner.execute("insert into api_tokens (prefix, name, hash, scopes) values (%s, %s, %s, %s)", given)
        person = ["ann", hash_password(PASSWORD), "admin"]
        owner.execute("insert into people (name, password_hash, role) values (%s, %s, %s)", person)
    return key.key


@pytest.fixture
def start_reader(start_service):
    """start_reader(server): a query service on it, in both of its roles."""
    return lambda server: start_service(
        "query",
        DATABASE_URL=server.url("events", "query"),
        CONTROL_DATABASE_URL=server.url("events", "control"),
        SIGNING_KEY=make_signing_key(),
        AUTH="required",
    )


WRITES = {
    "sign in": ("POST", "/auth/sign-in", {"name": "ann", "password": PASSWORD}),
    "sign in wrongly": ("POST", "/auth/sign-in", {"name": "ann", "password": "wrong"}),
    "make a source": ("PUT", "/admin/sources/shop", {}),
    "erase": ("DELETE", "/users/ann", None),
    "anonymise": ("DELETE", "/users/ann?mode=anonymise", None),
}


def test_a_standby_answers_questions_and_takes_no_writes(start_reader, own_postgres, token):
    with standby_of(own_postgres) as standby:
        query = start_reader(standby)
        bearer = {"Authorization": f"Bearer {token}"}
        for path in ("/events", "/events?user_id=ann", "/stats/top-types", "/stats/sessions", "/admin/sources"):
            answer = requests.get(query.url + path, headers=bearer, timeout=30)
            assert answer.status_code == 200, (path, answer.text)
        answers = {
            what: said(requests.request(method, query.url + path, json=body, headers=bearer, timeout=60))
            for what, (method, path, body) in WRITES.items()
        }
        assert answers == dict.fromkeys(WRITES, READ_ONLY)
        parts = requests.get(f"{query.url}/healthz", timeout=30).json()["parts"]
        assert parts["database"]["status"] == "ok"
        assert parts["control"] == {"status": "failing", "code": "database_read_only"}


CONNECTIONS = "select array_agg(pid order by pid) from pg_stat_activity where application_name = 'control'"


def test_tokens_are_looked_up_on_a_standby_without_losing_a_connection(start_reader, own_postgres, token):
    """Nobody may note there when they were last used: a write that is refused costs the connection."""
    with psycopg.connect(own_postgres.url("events")) as owner:
        keys = [make_key("rt") for _ in range(5)]
        with owner.cursor() as cursor:
            insert = "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'x', %s, '{read_stats}')"
            cursor.executemany(insert, [(key.prefix, key.hash) for key in keys])
    with standby_of(own_postgres) as standby:
        query = start_reader(standby)
        (before,) = asked(standby, CONNECTIONS)
        for shown in (token, *(key.key for key in keys)):
            answer = requests.get(f"{query.url}/auth/me", headers={"Authorization": f"Bearer {shown}"}, timeout=30)
            assert answer.status_code == 200, answer.text
        (after,) = asked(standby, CONNECTIONS)
        assert set(before) <= set(after)
        assert "a connection is dropped" not in query.log.read_text()
