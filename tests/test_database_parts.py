"""Services and commands on a database that is given in parts, with a password that a URL would have to encode."""

import os
import subprocess
import sys

import psycopg
import pytest
import requests
from psycopg import sql
from signing_key import make_signing_key
from tls_front import make_certificate, tls_front

from event_tracker.cli.local.services import service

OWNER_PASSWORD = "own@er:/%# '\"\\ü€"
PASSWORD = "p@:/%# '\"\\ü€=?&x"
HBA = "local all postgres trust\nlocal all all scram-sha-256\n"


@pytest.fixture
def parts(own_postgres):
    """The parts of the database `events`, whose server wants passwords: parts("owner", "password")."""
    own_postgres.execute("create role boss login superuser")
    with psycopg.connect(own_postgres.url("events"), autocommit=True) as connection:
        connection.execute(sql.SQL("alter role boss password {}").format(sql.Literal(OWNER_PASSWORD)))
    (own_postgres.server.pgdata / "pg_hba.conf").write_text(HBA)
    own_postgres.execute("select pg_reload_conf()")
    folder = str(own_postgres.server.get_postmaster_info().socket_dir)

    def make(user, password, prefix=""):
        given = {"HOST": folder, "NAME": "events", "USER": user, "PASSWORD": password}
        return {f"{prefix}DATABASE_{part}": text for part, text in given.items()}

    return make


def tracker(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "event_tracker.cli", *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_services_and_commands_take_a_database_in_parts(parts, start_service, tmp_path):
    owner = parts("boss", OWNER_PASSWORD)
    passwords = {f"{role}_PASSWORD": PASSWORD for role in ("COLLECTOR", "QUERY", "CONTROL")}
    migrated = tracker("migrate", **owner, **passwords)
    assert migrated.returncode == 0, migrated.stderr
    maintained = tracker("maintain", "--dry-run", **owner)
    assert maintained.returncode == 0, maintained.stderr

    file = tmp_path / "password"
    file.write_text(PASSWORD)
    given = parts("collector", "")
    del given["DATABASE_PASSWORD"]
    collector = start_service("collector", **given, DATABASE_PASSWORD_FILE=file)
    query = start_service(
        "query", **parts("query", PASSWORD), **parts("control", PASSWORD, "CONTROL_"), SIGNING_KEY=make_signing_key()
    )
    event = {"user_id": "ann", "event_type": "view"}
    assert requests.post(f"{collector.url}/events", json=event, timeout=30).status_code == 201
    answer = requests.get(f"{query.url}/events", params={"user_id": "ann"}, timeout=30)
    assert [found["event_type"] for found in answer.json()["events"]] == ["view"]

    wrong = tracker("migrate", **{**owner, "DATABASE_PASSWORD": f"{OWNER_PASSWORD}x"})
    both = tracker("migrate", **owner, DATABASE_URL="postgresql://")
    assert wrong.returncode == both.returncode == 1
    assert "password authentication failed" in wrong.stderr
    assert "not both" in both.stderr
    said = [*(run.stdout + run.stderr for run in (migrated, maintained, wrong, both))]
    said += [service.log.read_text() for service in (collector, query)]
    for text in said:
        assert PASSWORD not in text
        assert OWNER_PASSWORD not in text


def test_a_server_is_known_by_its_certificate(parts, own_postgres, tmp_path):
    right, root = make_certificate(tmp_path, "localhost")
    _, other = make_certificate(tmp_path, "elsewhere")
    (socket,) = own_postgres.server.get_postmaster_info().socket_dir.glob(".s.PGSQL.*[0-9]")
    with tls_front(socket, right) as port:
        given = {**parts("boss", OWNER_PASSWORD), "DATABASE_PORT": str(port), "DATABASE_SSLMODE": "verify-full"}

        def maintain(host, certificate):
            environment = {
                **given,
                "DATABASE_HOST": host,
                "DATABASE_ROOT_CERTIFICATE": certificate,
                "TMPDIR": str(tmp_path),
            }
            return tracker("maintain", "--dry-run", **environment)

        known = maintain("localhost", root)
        assert known.returncode == 0, known.stderr
        assert maintain("localhost", other + root).returncode == 0
        assert "certificate verify failed" in maintain("localhost", other).stderr
        assert 'does not match host name "127.0.0.1"' in maintain("127.0.0.1", root).stderr


def test_up_passes_no_parts_on_to_its_services(monkeypatch, tmp_path):
    for name in ("DATABASE_HOST", "DATABASE_PASSWORD", "CONTROL_DATABASE_PASSWORD_FILE"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setattr("event_tracker.cli.local.services.Process", lambda *_, environment: environment)
    inherited = service("query", tmp_path, 1, {"DATABASE_URL": "a", "CONTROL_DATABASE_URL": "b"})
    assert {name: text for name, text in inherited.items() if "DATABASE_" in name} == {
        "DATABASE_URL": "a", "CONTROL_DATABASE_URL": "b",
    }  # fmt: skip
