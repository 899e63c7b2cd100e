"""`tracker migrate`: on an empty database, a second time, four at once; and the roles' passwords."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from event_tracker.cli.database.partitions import Month
from event_tracker.cli.settings import CHECKOUT_MIGRATIONS
from event_tracker.core.secrets.keys import make_key

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
        [sys.executable, "-m", "event_tracker.cli", "migrate"],
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
    logged = log.read_bytes()[logged_before:].decode()
    assert "alter role" in logged
    assert "s3cret" not in logged
    for role in roles:
        owner.execute(f"alter role {role} password null")


ACCESS = "select name, prefix, scopes, revoked_at is null from api_tokens order by name, created_at"


def test_it_lets_in_what_it_is_given_and_stores_no_secret(postgres, database, owner, tmp_path: Path):
    admin, read, key = make_key("rt"), make_key("rt"), make_key("wk")
    (tmp_path / "admin-token").write_text(f"{admin.key}\n")
    given = {
        "DATABASE_URL": postgres.url(database),
        "ADMIN_TOKEN_FILE": str(tmp_path / "admin-token"),
        "READ_TOKEN": read.key,
        "WRITE_KEY": key.key,
        "WRITE_KEY_SOURCE": "smoke-test",
    }
    for _ in range(2):
        code, said = migrate(**given)
        assert code == 0
        assert said[-3:] == [
            f"let in ADMIN_TOKEN {admin.prefix}",
            f"let in READ_TOKEN {read.prefix}",
            f"let in WRITE_KEY {key.prefix}",
        ]
    assert owner.execute(ACCESS).fetchall() == [
        ("ADMIN_TOKEN", admin.prefix, ["admin", "export", "read_events", "read_stats"], True),
        ("READ_TOKEN", read.prefix, ["read_events", "read_stats"], True),
    ]
    assert owner.execute("select source, prefix, hash from write_keys").fetchall() == [
        ("smoke-test", key.prefix, key.hash)
    ]


def test_a_new_token_takes_the_place_of_the_one_before_and_a_new_key_does_not(postgres, database, owner):
    old, new, old_key, new_key = make_key("rt"), make_key("rt"), make_key("wk"), make_key("wk")
    migrate(DATABASE_URL=postgres.url(database), ADMIN_TOKEN=old.key, WRITE_KEY=old_key.key)
    code, said = migrate(DATABASE_URL=postgres.url(database), ADMIN_TOKEN=new.key, WRITE_KEY=new_key.key)
    assert code == 0
    assert said[-3:] == [
        f"let in ADMIN_TOKEN {new.prefix}",
        f"revoked the ADMIN_TOKEN before it, {old.prefix}",
        f"let in WRITE_KEY {new_key.prefix}",
    ]
    assert [(prefix, counts) for _, prefix, _, counts in owner.execute(ACCESS)] == [
        (old.prefix, False),
        (new.prefix, True),
    ]
    keys = owner.execute(
        "select source, prefix from write_keys where revoked_at is null order by created_at"
    ).fetchall()
    assert keys == [("default", old_key.prefix), ("default", new_key.prefix)]


def test_what_was_revoked_stays_so_and_shuts_nobody_out(postgres, database, owner):
    revoked, counts, key = make_key("rt"), make_key("rt"), make_key("wk")
    migrate(DATABASE_URL=postgres.url(database), ADMIN_TOKEN=revoked.key, WRITE_KEY=key.key)
    migrate(DATABASE_URL=postgres.url(database), ADMIN_TOKEN=counts.key)
    owner.execute("update write_keys set revoked_at = now()")
    code, said = migrate(DATABASE_URL=postgres.url(database), ADMIN_TOKEN=revoked.key, WRITE_KEY=key.key)
    assert code == 0
    assert said[-2].startswith(f"ADMIN_TOKEN doesn't count: {revoked.prefix} was revoked")
    assert said[-1].startswith(f"WRITE_KEY doesn't count: {key.prefix} was revoked")
    assert owner.execute("select prefix from api_tokens where revoked_at is null").fetchall() == [(counts.prefix,)]
    assert owner.execute("select from write_keys where revoked_at is null").fetchall() == []


@pytest.mark.parametrize("name", ["ADMIN_TOKEN", "READ_TOKEN", "WRITE_KEY"])
def test_what_is_no_key_is_refused_without_showing_it(empty, name):
    kind = "wk" if name == "WRITE_KEY" else "rt"
    for wrong in ("hunter2", make_key("rf").key, make_key(kind).key + "0"):
        code, lines = migrate(DATABASE_URL=empty, **{name: wrong})
        assert (code, lines[0]) == (1, "Error: these settings are wrong:")
        assert lines[1].startswith(f"{name}: Must look like {kind}_")
        assert wrong not in "".join(lines)


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


def test_what_retention_deleted_before_it_was_counted_is_counted(empty, tmp_path):
    """The summaries of these days are deleted too: they have values of deleted events."""
    before, after = tmp_path / "before", tmp_path / "after"
    # Migration 0024 empties the summaries.
    for folder, end in ((before, "0020"), (after, "0024")):
        folder.mkdir()
        for name in (name for name in IDS if name < end):
            (folder / f"{name}.sql").write_bytes((CHECKOUT_MIGRATIONS / f"{name}.sql").read_bytes())
    assert migrate(DATABASE_URL=empty, MIGRATIONS_DIR=str(before))[0] == 0
    with psycopg.connect(empty, autocommit=True, options="-c timezone=UTC") as owner:
        owner.execute("""
            insert into events (user_id, "timestamp", event_id, event_type, source)
            select 'ann', day + n * interval '1 hour', gen_random_uuid(), 'view', 'blog'
            from generate_series(0, 4) as n, unnest('{2026-03-01, 2026-03-02}'::timestamptz[]) as day
        """)
        owner.execute("""
            insert into event_counts
            select date_trunc('hour', "timestamp"), event_type, source, slot, 1
            from events, generate_series(0, 0) as slot
        """)
        # Of the 2nd, three of the shop were counted and deleted; of the 3rd, every event was.
        owner.execute("""
            insert into event_counts
            values ('2026-03-02 01:00:00+00', 'view', 'shop', 0, 2), ('2026-03-02 02:00:00+00', 'view', 'shop', 1, 1),
                   ('2026-03-03 02:00:00+00', 'buy', 'shop', 1, 4)
        """)
        for day in (1, 2, 3):
            owner.execute("insert into summarised_days values (%s, 5, '{}')", [datetime(2026, 3, day, tzinfo=UTC)])
        owner.execute(
            "insert into property_counts select day, 'email', '', 'carol@example.com', 1 from summarised_days"
        )
        owner.execute("insert into visits select day, 'ann', 's', day, day, '{view}' from summarised_days")
    assert migrate(DATABASE_URL=empty, MIGRATIONS_DIR=str(after))[0] == 0
    with psycopg.connect(empty, options="-c timezone=UTC") as owner:
        deleted = owner.execute("select day::date::text, event_type, source, count from deleted_counts order by 1")
        assert deleted.fetchall() == [("2026-03-02", "view", "shop", 3), ("2026-03-03", "buy", "shop", 4)]
        for table in ("summarised_days", "property_counts", "visits"):
            days = owner.execute(f"select day::date::text from {table}".encode()).fetchall()
            assert days == [("2026-03-01",)], table


def test_what_the_upkeep_of_0_1_0_summed_up_after_it_was_emptied_is_deleted(empty, tmp_path):
    before = tmp_path / "before"
    before.mkdir()
    for name in (name for name in IDS if name < "0030"):
        (before / f"{name}.sql").write_bytes((CHECKOUT_MIGRATIONS / f"{name}.sql").read_bytes())
    assert migrate(DATABASE_URL=empty, MIGRATIONS_DIR=str(before))[0] == 0
    with psycopg.connect(empty, autocommit=True) as owner:
        owner.execute("insert into summarised_days values ('2026-03-01 00:00:00+00', 5, '{}')")
        owner.execute("insert into property_counts select day, 'email', '', 'c@example.com', 1 from summarised_days")
        owner.execute("insert into visits select day, 'ann', 's', day, day, '{view}' from summarised_days")
    assert migrate(DATABASE_URL=empty)[0] == 0
    with psycopg.connect(empty) as owner:
        for table in ("summarised_days", "property_counts", "visits"):
            assert owner.execute(f"select count(*) from {table}".encode()).fetchone() == (0,), table
