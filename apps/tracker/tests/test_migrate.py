"""`tracker migrate`: from empty, again, four at once; and the roles' passwords."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tracker.partitions import Month
from tracker.settings import CHECKOUT_MIGRATIONS

IDS = sorted(path.stem for path in CHECKOUT_MIGRATIONS.glob("*.sql"))


@pytest.fixture
def empty(postgres) -> Iterator[str]:
    """The URL of an empty database."""
    name = f"empty_{uuid.uuid4().hex}"
    postgres.execute(f"create database {name}")
    yield postgres.url(name)
    postgres.execute(f"drop database {name} with (force)")


def start_migrate(**settings: str) -> "subprocess.Popen[str]":
    environment = {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}
    return subprocess.Popen(
        [sys.executable, "-m", "tracker", "migrate"],
        env={**environment, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def migrate(**settings: str) -> tuple[int, list[str]]:
    process = start_migrate(**settings)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output.splitlines()


def expected_partitions() -> list[str]:
    now = datetime.now(UTC)
    return [Month(now.year, now.month).plus(distance).partition for distance in range(4)]


def test_from_empty_it_applies_everything_and_makes_four_partitions(empty):
    code, said = migrate(DATABASE_URL=empty)
    assert code == 0
    made = expected_partitions()
    assert said == [f"applied {name}" for name in IDS] + [f"made partition {name}" for name in made]
    with psycopg.connect(empty) as connection:
        tables = connection.execute("select relname from pg_class where relname like 'events\\_2%' and relkind = 'r'")
        assert sorted(name for (name,) in tables) == made


def test_a_second_run_finds_nothing_to_do(empty):
    migrate(DATABASE_URL=empty)
    assert migrate(DATABASE_URL=empty) == (0, ["the schema is up to date"])


def test_of_four_at_once_each_migration_is_applied_by_one(empty):
    processes = [start_migrate(DATABASE_URL=empty, COLLECTOR_PASSWORD="same") for _ in range(4)]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    lines = [line for output in said for line in output.splitlines()]
    for line in [f"applied {name}" for name in IDS] + [f"made partition {name}" for name in expected_partitions()]:
        assert lines.count(line) == 1


def test_it_sets_passwords_of_which_only_a_verifier_is_sent(postgres, database, owner, tmp_path: Path):
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    owner.execute(f"alter database {database} set log_statement = 'all'")
    log = postgres.server.pgdata / "log"
    logged_before = log.stat().st_size
    code, said = migrate(
        DATABASE_URL=postgres.url(database),
        COLLECTOR_PASSWORD="s3cret",
        QUERY_PASSWORD_FILE=str(secret),
        GRAFANA_PASSWORD="s3cret",
    )
    assert code == 0
    roles = ["collector", "query", "grafana"]
    assert said[-3:] == [f"set the password of {role}" for role in roles]
    stored = "select rolname, left(rolpassword, 14) from pg_authid where rolpassword is not null order by 1"
    assert owner.execute(stored).fetchall() == [(role, "SCRAM-SHA-256$") for role in sorted(roles)]
    logged = log.read_text()[logged_before:]
    assert "alter role" in logged
    assert "s3cret" not in logged
    for role in roles:
        owner.execute(f"alter role {role} password null")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, ["Error: these settings are wrong:", "DATABASE_URL: Environment variable not set."]),
        ({"DATABASE_URL_FILE": "/nowhere"}, ["Error: these settings are wrong:", "DATABASE_URL: "]),
        ({"DATABASE_URL": "postgresql://ann@127.0.0.1:1/events"}, ["Error: can't connect to DATABASE_URL: "]),
    ],
)
def test_what_is_wrong_is_said(settings, said):
    code, lines = migrate(**settings)
    assert code == 1
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True)), lines


def test_a_folder_without_migrations_is_named(empty, tmp_path):
    assert migrate(DATABASE_URL=empty, MIGRATIONS_DIR=str(tmp_path)) == (
        1,
        [f"Error: no migrations in {tmp_path} (MIGRATIONS_DIR names the folder)"],
    )
