"""A query service whose database takes no writes: questions are answered, and what would write is a 503."""

import psycopg
import pytest
import requests
from replicas import standby_of
from signing_key import make_signing_key

from core.keys import make_key
from core.passwords import hash_password

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


WRITES = {
    "sign in": ("POST", "/auth/sign-in", {"name": "ann", "password": PASSWORD}),
    "sign in wrongly": ("POST", "/auth/sign-in", {"name": "ann", "password": "wrong"}),
    "make a source": ("PUT", "/admin/sources/shop", {}),
    "erase": ("DELETE", "/users/ann", None),
    "anonymise": ("DELETE", "/users/ann?mode=anonymise", None),
}


def test_a_standby_answers_questions_and_takes_no_writes(start_service, own_postgres, token):
    with standby_of(own_postgres) as standby:
        query = start_service(
            "query",
            DATABASE_URL=standby.url("events", "query"),
            CONTROL_DATABASE_URL=standby.url("events", "control"),
            SIGNING_KEY=make_signing_key(),
            AUTH="required",
        )
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
