"""Secrets are changed as docs/operations.md describes, while services run."""

import os
import time

import pytest
import requests
from commands import run_tracker
from signing_key import make_signing_key
from waiting import wait_until

from event_tracker.core.secrets.keys import make_key
from event_tracker.core.secrets.passwords import hash_password

PASSWORD = "correct horse battery"


@pytest.fixture
def start(start_service, postgres, database, owner):
    """start(SIGNING_KEY=...): one of several query services on a database where Ann may sign in."""
    owner.execute(
        "insert into people (name, password_hash, role) values ('ann', %s, 'analyst')", [hash_password(PASSWORD)]
    )
    told = {
        "DATABASE_URL": postgres.url(database, "query"),
        "CONTROL_DATABASE_URL": postgres.url(database, "control"),
        "AUTH": "required",
    }
    return lambda **settings: start_service("query", **told, **settings)


def sign_in(service):
    answer = requests.post(f"{service.url}/auth/sign-in", json={"name": "ann", "password": PASSWORD}, timeout=30)
    return answer.json()


def is_known(service, token):
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{service.url}/auth/me", headers=headers, timeout=30).status_code == 200


def test_a_new_signing_key_is_noticed_by_nobody(start):
    old, new = make_signing_key(), make_signing_key()
    steps = [old, old + new, new + old, new]
    services = [start(SIGNING_KEY=key) for key in steps]
    tokens = [sign_in(service)["access_token"] for service in services]
    # Instances of two steps that follow each other run at the same time, and each takes what the other signs.
    for step in range(3):
        assert is_known(services[step], tokens[step + 1]), step
    assert [is_known(services[step + 1], tokens[step]) for step in range(3)] == [True, True, True]
    # What the first key has signed counts as long as its block is there.
    assert [is_known(service, tokens[0]) for service in services] == [True, True, True, False]


def test_a_sign_in_outlives_the_key_that_signed_its_access_token(start):
    signed_in = sign_in(start(SIGNING_KEY=make_signing_key()))
    other = start(SIGNING_KEY=make_signing_key())
    assert not is_known(other, signed_in["access_token"])
    again = requests.post(f"{other.url}/auth/refresh", json={"refresh_token": signed_in["refresh_token"]}, timeout=30)
    assert is_known(other, again.json()["access_token"])


@pytest.fixture
def migrate(postgres, database):
    """migrate(token): `tracker migrate` with this ADMIN_TOKEN."""

    def migrate(token):
        environment = {**os.environ, "DATABASE_URL": postgres.url(database), "ADMIN_TOKEN": token}
        run_tracker("migrate", environment=environment).check_returncode()

    return migrate


def test_what_an_admin_token_made_goes_on_with_the_one_that_takes_its_place(start, migrate):
    service = start(SIGNING_KEY=make_signing_key())

    def make(token):
        body = {"name": "x", "scopes": ["admin"], "sources": None}
        headers = {"Authorization": f"Bearer {token}"}
        return requests.post(f"{service.url}/admin/tokens", json=body, headers=headers, timeout=30).json()["token"]

    first = make_key("rt").key
    migrate(first)
    second, made = make(first), make(first)
    migrate(second)  # the new one was made by the old one
    wait_until(lambda: not is_known(service, first))
    assert is_known(service, second)
    assert is_known(service, made)
    requests.delete(
        f"{service.url}/admin/tokens/{second[:13]}", headers={"Authorization": f"Bearer {made}"}, timeout=30
    ).raise_for_status()
    wait_until(lambda: not is_known(service, made))


def test_a_new_admin_token_takes_the_place_of_the_old_one_everywhere(start, migrate):
    old, new = make_key("rt").key, make_key("rt").key
    migrate(old)
    services = [start(SIGNING_KEY=make_signing_key()) for _ in range(2)]
    assert [is_known(service, old) for service in services] == [True, True]
    migrate(new)
    assert [is_known(service, new) for service in services] == [True, True]
    deadline = time.monotonic() + 20
    while any(is_known(service, old) for service in services):  # what was looked up counts for two seconds
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_an_instance_that_cannot_tell_who_asks_is_not_ready(start_service, postgres, database):
    service = start_service(
        "query",
        wait=False,
        AUTH="required",
        DATABASE_URL=postgres.url(database, "query"),
        CONTROL_DATABASE_URL=postgres.url(database, "nobody"),
        SIGNING_KEY=make_signing_key(),
    )
    wait_for_answer(f"{service.url}/livez")
    ready = requests.get(f"{service.url}/readyz", timeout=30)
    assert (ready.status_code, ready.json()["code"]) == (503, "database_unavailable")
    assert "as the role control" in ready.json()["detail"]
    health = requests.get(f"{service.url}/healthz", timeout=30).json()["parts"]
    assert (health["database"]["status"], health["control"]["status"]) == ("ok", "failing")


def wait_for_answer(url):
    deadline = time.monotonic() + 60
    while True:
        try:
            return requests.get(url, timeout=30)
        except requests.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
