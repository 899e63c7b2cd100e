"""No secret is written down: not by the services, however much they log and whatever goes wrong, nor by the commands."""

import os
import socket
import subprocess
import sys
from contextlib import suppress

import psycopg
import pytest
import requests
from commands import run_tracker
from ports import free_port
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from signing_key import make_signing_key

from event_tracker.core.secrets.keys import make_key
from event_tracker.core.secrets.passwords import hash_password

DATABASE_PASSWORD = "database-secret-4711"
PASSWORD = "correct horse battery secret"
WRONG = "a wrong password secret"
EVENT = {"user_id": "ann", "event_type": "view"}


@pytest.fixture
def keys(owner):
    """The write key and the API token that count here, and Ann's password does too."""
    write, read = make_key("wk"), make_key("rt")
    owner.execute(
        "insert into write_keys (prefix, source, hash) values (%s, 'default', %s)", [write.prefix, write.hash]
    )
    owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'x', %s, '{admin,read_events}')",
        [read.prefix, read.hash],
    )
    owner.execute(
        "insert into people (name, password_hash, role) values ('ann', %s, 'admin')", [hash_password(PASSWORD)]
    )
    return write.key, read.key


def with_password(url):
    """The URL with a password, which a server that trusts its clients doesn't look at."""
    return make_conninfo(url, password=DATABASE_PASSWORD)


def send(collector, key, body=None):
    """Events by each way to send a key: with one that is right, and with one that is wrong in its last digit."""
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    for sent in (key, wrong):
        for how in (
            {"headers": {"Authorization": f"Bearer {sent}"}},
            {"headers": {"X-Write-Key": sent}},
            {"params": {"write_key": sent}},
        ):
            yield requests.post(f"{collector.url}/events", json=body or EVENT, timeout=30, **how)


def everything_said(*services):
    return "".join(service.log.read_text() for service in services)


def test_services_never_say_a_secret(start_service, postgres, database, owner, keys):
    write_key, token = keys
    signing_key = make_signing_key()
    collector = start_service(
        "collector", DATABASE_URL=with_password(postgres.url(database, "collector")), AUTH="required", LOG_LEVEL="debug"
    )
    query = start_service(
        "query",
        DATABASE_URL=with_password(postgres.url(database, "query")),
        CONTROL_DATABASE_URL=with_password(postgres.url(database, "control")),
        SIGNING_KEY=signing_key,
        AUTH="required",
        LOG_LEVEL="debug",
    )
    bearer = {"Authorization": f"Bearer {token}"}
    answers = [*send(collector, write_key), *send(collector, write_key, {"user_id": 1})]
    signed_in = requests.post(
        f"{query.url}/auth/sign-in", json={"name": "ann", "password": PASSWORD}, timeout=30
    ).json()
    made = requests.post(f"{query.url}/admin/sources/default/keys", headers=bearer, timeout=30).json()["key"]
    for path in (
        "/events",
        "/events/nowhere",
        f"/events?cursor={token}",
        "/admin/sources",
        "/admin/audit",
        "/metrics",
        "/docs/",
    ):
        answers.append(requests.get(query.url + path, headers=bearer, timeout=30))
        answers.append(
            requests.get(
                query.url + path, headers={"Authorization": f"Bearer {signed_in['access_token']}x"}, timeout=30
            )
        )
    bodies = ({"name": "ann", "password": WRONG}, {"name": WRONG}, {"refresh_token": signed_in["refresh_token"] + "0"})
    answers += [
        requests.post(f"{query.url}/auth/{path}", json=body, timeout=30)
        for body in bodies
        for path in ("sign-in", "refresh", "sign-out")
    ]
    answers.append(requests.get(f"{collector.url}/metrics", timeout=30))
    # A crash, whose log has a traceback, then a database that is unavailable.
    owner.execute("drop table events, sources, people cascade")
    answers += [*send(collector, write_key)]
    answers.append(requests.get(f"{query.url}/events", headers=bearer, timeout=30))
    answers.append(requests.post(f"{query.url}/auth/sign-in", json={"name": "ann", "password": PASSWORD}, timeout=30))
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as server:
        server.execute(f'alter database "{database}" allow_connections false')
        server.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [database])
        try:
            answers += [*send(collector, write_key)]
            answers.append(requests.get(f"{query.url}/events", headers=bearer, timeout=30))
        finally:
            server.execute(f'alter database "{database}" allow_connections true')
    statuses = {answer.status_code for answer in answers}
    assert {201, 401, 404, 422, 500, 503} <= statuses, statuses
    secrets = {
        "database password": DATABASE_PASSWORD,
        "write key": write_key.rpartition("_")[2][:-1],
        "new write key": made.rpartition("_")[2],
        "token": token.rpartition("_")[2][:-1],
        "password": PASSWORD,
        "wrong password": WRONG,
        "access token": signed_in["access_token"].rpartition(".")[2][:-4],
        "refresh token": signed_in["refresh_token"].rpartition("_")[2],
        "signing key": signing_key.splitlines()[1],
    }
    said = everything_said(collector, query)
    assert '"level": "debug"' in said or '"debug"' in said
    assert [name for name, secret in secrets.items() if secret in said] == []
    shown = "".join(answer.text + str(answer.headers) for answer in answers)
    assert [name for name, secret in secrets.items() if secret in shown and name != "wrong password"] == []


@pytest.mark.parametrize(
    "command",
    [
        ["migrate"],
        ["maintain"],
        ["admin", "create", "zoe", "--password-file", "-"],
        ["source", "list"],
        ["up", "--data", "{tmp}"],
    ],
    ids=lambda command: command[0],
)
def test_commands_never_say_a_secret(postgres, database, tmp_path, command):
    url = conninfo_to_dict(postgres.url(database))
    token = make_key("rt").key
    environment = {
        **os.environ,
        "DATABASE_URL": make_conninfo(**{**url, "password": DATABASE_PASSWORD, "dbname": "nowhere"}),
        "API_TOKEN": token,
        "QUERY_URL": f"http://ann:{DATABASE_PASSWORD}@127.0.0.1:9",
        "COLLECTOR_PASSWORD": DATABASE_PASSWORD,
    }
    arguments = [part.format(tmp=tmp_path) for part in command]
    done = run_tracker(*arguments, environment=environment, given=f"{PASSWORD}\n", forked=command[0] != "up")
    assert done.returncode != 0
    said = done.stdout + done.stderr + "".join(log.read_text() for log in tmp_path.rglob("*.log"))
    assert said
    for secret in (DATABASE_PASSWORD, PASSWORD, token.rpartition("_")[2]):
        assert secret not in said


BROKEN = [
    "postgresql://owner:{}@127.0.0.1:1/events",
    "postgresql://owner:{}@127.0.0.1:port/events",
    "postgresql://owner:{}",
    "postgres//owner:{}@host/events",
    "owner:{}@host/events",
    "postgresql://owner:{}@[::1/events",
    "postgresql://owner:{}@127.0.0.1:1/events?unknown=1",
    "postgresql://owner:a%zz{}@127.0.0.1:1/events",
    "postgresql://owner:{} a@127.0.0.1:1/events",
    "postgresql://owner:a@{}@127.0.0.1:1/events",
    "postgresql://owner:{}/a@127.0.0.1:1/events",
    "postgresql://owner:a/{}@127.0.0.1:1/events",
    "postgresql://owner:a?{}@127.0.0.1:1/events",
    "host=127.0.0.1 port=1 password={} nonsense",
    "host=127.0.0.1 port=1 password='{}",
]
"""URLs that can't be read, or not as they were meant: libpq tells what it stumbled over."""


@pytest.mark.parametrize(
    ("command", "urls"),
    [
        (["tracker", "migrate"], BROKEN),
        (["tracker", "maintain"], BROKEN[3::4]),
        (["tracker", "admin", "create", "zoe", "--password-file", "-"], BROKEN[3::4]),
        (["tracker", "up", "--data", "{tmp}"], BROKEN[3::4]),
        (["collector"], BROKEN[::7]),
        (["query"], BROKEN[::7]),
    ],
    ids=lambda given: " ".join(given[:2]) if len(given[0]) < 12 else "",
)
def test_a_mistake_in_the_url_of_the_database_does_not_show_its_password(command, urls, tmp_path):
    for url in urls:
        environment = {
            "DATABASE_URL": url.format(DATABASE_PASSWORD),
            "LOG_LEVEL": "debug",
            "PORT": str(free_port()),
            "AUTH": "open",
        }
        if command == ["query"]:
            environment["CONTROL_DATABASE_URL"] = environment["DATABASE_URL"]
        done = said_by([part.format(tmp=tmp_path) for part in command], environment)
        assert done, url
        assert DATABASE_PASSWORD not in done, url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADMIN_TOKEN", f"rt_{PASSWORD}"),
        ("READ_TOKEN", PASSWORD),
        ("WRITE_KEY", f"wk_0123456789_{PASSWORD}"),
        ("DATABASE_URL", PASSWORD),
        ("DATABASE_URL_FILE", "/nowhere"),
    ],
)
def test_a_mistaken_setting_is_named_and_not_shown(name, value):
    done = said_by(
        ["tracker", "migrate"], {"DATABASE_URL": f"postgresql://o:{DATABASE_PASSWORD}@127.0.0.1:1/x", name: value}
    )
    assert name.removesuffix("_FILE") in done
    assert PASSWORD not in done
    assert DATABASE_PASSWORD not in done


def said_by(command, environment, seconds=5):
    """What a command said until its end, or until it was ended: a service goes on trying to reach its database."""
    if command[0] == "tracker":
        environment = {**os.environ, **environment}
        done = run_tracker(*command[1:], environment=environment, given=f"{PASSWORD}\n", forked=command[1] != "up")
        return done.stdout + done.stderr
    process = subprocess.Popen(
        [os.path.join(os.path.dirname(sys.executable), command[0]), *command[1:]],
        env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    with suppress(subprocess.TimeoutExpired):
        return process.communicate(f"{PASSWORD}\n", timeout=seconds)[0]
    process.terminate()
    return process.communicate(timeout=30)[0] or "nothing"


@pytest.mark.parametrize(
    "malformed",
    [
        "GET /{} x HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX-Write-Key : {}\r\n\r\n",
        "GET / HTTP/1.1\r\nAuthorization: Bearer {}\0\r\n\r\n",
        "GET / HTTP/1.1\r\n{}\r\n\r\n",
    ],
)
def test_what_is_not_a_request_is_told_to_nobody_but_its_sender(start_service, postgres, database, malformed):
    collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"), LOG_LEVEL="debug")
    key = make_key("wk").key
    with socket.create_connection(collector.url.removeprefix("http://").split(":"), timeout=30) as connection:
        connection.sendall(malformed.format(key).encode())
        assert connection.recv(65_536).startswith(b"HTTP/1.1 400 ")
    collector.stop()
    assert "<malformed>" in collector.log.read_text()
    assert key not in collector.log.read_text()
