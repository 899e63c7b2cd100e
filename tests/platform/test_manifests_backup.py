"""The scripts that Kubernetes and compose run against PostgreSQL, run here against a real one: owner, backup, restore."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from servers import Postgres
from tools import ROOT, run, tool

OWNER = ROOT / "infra" / "postgres" / "init" / "owner.sh"
SCRIPTS = ROOT / "k8s" / "components" / "postgres"
PASSWORDS = {
    "owner": "owner's secret \\ %41",
    "collector": "collector-secret",
    "query": "query-secret",
    "grafana": "grafana-secret",
}
EVENTS = """insert into events (user_id, "timestamp", event_id, event_type, properties)
select 'user ' || n % 7, now() - n * interval '9 hours', gen_random_uuid(), 'type ' || n % 3, jsonb_build_object('n', n) from generate_series(1, 500) n"""
COUNTS = """insert into event_counts (hour, event_type, source, slot, count)
select date_trunc('hour', "timestamp"), event_type, source, 0, count(*) from events group by 1, 2, 3"""


@dataclass
class Server:
    """A PostgreSQL as the image sets it up: the superuser by socket, everybody else by password."""

    postgres: Postgres
    folder: Path

    @property
    def backups(self) -> Path:
        return self.folder.parent / "backups"

    def write_secrets(self) -> None:
        (self.folder / "owner-password").write_text(PASSWORDS["owner"] + "\n")
        (self.folder / "owner-url").write_text(self.url("owner") + "\n")

    @property
    def environment(self) -> dict[str, str]:
        """What the image gives its scripts: its programs on the PATH, the superuser's socket, the Secret's file."""
        return {
            "PATH": f"{self.postgres.server.bin_path}{os.pathsep}{os.environ['PATH']}",
            "PGHOST": str(self.postgres.server.get_postmaster_info().socket_dir),
            "OWNER_PASSWORD_FILE": str(self.folder / "owner-password"),
            "DATABASE_URL_FILE": str(self.folder / "owner-url"),
            "BACKUPS": str(self.backups),
            "KEEP": "2",
        }

    def url(self, role: str) -> str:
        """As a Secret holds it: the password percent-encoded."""
        password = "".join(f"%{byte:02X}" for byte in PASSWORDS[role].encode())
        return f"postgresql://{role}:{password}@/events?host={self.environment['PGHOST']}"

    def script(self, path: Path, ok: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        return run("bash", path, ok=ok, env={**self.environment, **environment})

    def migrate(self) -> None:
        given = {f"{role}_PASSWORD".upper(): PASSWORDS[role] for role in ("collector", "query", "grafana")}
        run(tool("tracker"), "migrate", env={**self.environment, **given})

    def rows(self, role: str, question: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(role), autocommit=True, options="-c timezone=UTC") as connection:
            return connection.execute(question.encode()).fetchall()

    def store(self, *statements: str) -> None:
        with psycopg.connect(self.url("owner")) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture(scope="module")
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """A function that starts a server which only owner.sh has been at; it logs every statement."""
    started = []
    folder = tmp_path_factory.mktemp("servers")
    (folder / "backups").mkdir()

    def start(name: str) -> Server:
        data = tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True)
        postgres = Postgres(Path(data.name))
        started.append((postgres, data))
        (postgres.server.pgdata / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        postgres.execute("alter system set log_statement to 'all'")
        postgres.execute("select pg_reload_conf()")
        server = Server(postgres, folder / name)
        server.folder.mkdir()
        server.write_secrets()
        server.script(OWNER)
        return server

    yield start
    for postgres, data in started:
        postgres.stop("immediate")
        data.cleanup()


@pytest.fixture(scope="module")
def migrated_server(new_server: Callable[[str], Server]) -> Server:
    made = new_server("first")
    made.migrate()
    return made


@pytest.fixture
def server(migrated_server: Server) -> Server:
    """Set up by owner.sh and `tracker migrate`, holding 500 events and their counts; no backup yet."""
    migrated_server.write_secrets()
    migrated_server.script(OWNER)
    migrated_server.store("truncate events, event_counts", EVENTS, COUNTS)
    for old in migrated_server.backups.iterdir():
        old.unlink()
    return migrated_server


def test_the_owner_is_no_superuser_and_owns_the_database(server: Server):
    assert server.rows(
        "owner", "select rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user"
    ) == [(False, True, False)]
    assert server.rows("owner", "select pg_get_userbyid(datdba) from pg_database where datname = 'events'") == [
        ("owner",)
    ]


def test_owner_sh_can_be_run_again_and_then_sets_the_password_anew(server: Server):
    (server.folder / "owner-password").write_text("another")
    server.script(OWNER)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        server.rows("owner", "select 1")


def test_owner_sh_refuses_an_empty_password(server: Server):
    (server.folder / "owner-password").write_text("")
    done = server.script(ROOT / "infra" / "postgres" / "init" / "owner.sh", ok=False)
    assert done.returncode != 0
    assert "empty" in done.stderr


def test_owner_sh_leaves_no_password_in_the_servers_log(server: Server):
    log = Path(server.postgres.server.log).read_text()
    assert "set log_statement to 'none'" in log  # up to there it does log every statement
    assert "alter role owner" not in log
    assert "secret" not in log


def test_a_backup_restored_on_another_server_holds_every_event_count_and_right(
    server: Server, new_server: Callable[[str], Server]
):
    server.store(
        'insert into blocks (source, start, "end", counted, events, epoch, layout, keys, parquet)'
        " values ('default', '2026-03-01', '2026-03-02', 1, 1, 0, 1, '{}', 'derived')"
    )
    server.script(SCRIPTS / "backup.sh")
    other = new_server("second")
    unmigrated = other.script(SCRIPTS / "restore.sh", ok=False)
    assert unmigrated.returncode != 0
    assert "run tracker migrate first" in unmigrated.stderr
    other.migrate()
    done = other.script(SCRIPTS / "restore.sh")
    assert "restored 500 events" in done.stdout
    other.migrate()

    for question in (
        'select * from events order by user_id, "timestamp", event_id',
        "select * from event_counts order by hour, event_type, source, slot",
        "select migration_id from _yoyo_migration order by 1",
        "select relname, relkind::text, relacl::text from pg_class where relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace) order by 1, 2",
    ):
        assert other.rows("owner", question) == server.rows("owner", question)
    assert other.rows("query", "select count(*) from events") == [(500,)]
    assert other.rows("owner", "select count(*) from blocks") == [(0,)]
    assert other.rows("grafana", "select count(*) from product.events") == [(500,)]
    with psycopg.connect(other.url("collector")) as connection:
        connection.execute(
            "insert into events (user_id, \"timestamp\", event_id, event_type) values ('new', now(), gen_random_uuid(), 'new')"
        )


def test_a_restore_refuses_a_database_that_holds_events(server: Server):
    server.script(SCRIPTS / "backup.sh")
    server.store(
        "insert into events (user_id, \"timestamp\", event_id, event_type) values ('later', now(), gen_random_uuid(), 'later')"
    )
    done = server.script(SCRIPTS / "restore.sh", ok=False)
    assert done.returncode != 0
    assert "the database holds events; nothing was changed" in done.stderr
    assert server.rows("owner", "select count(*) from events") == [(501,)]


def test_a_named_backup_is_restored_over_an_emptied_database(server: Server):
    server.script(SCRIPTS / "backup.sh")
    (first,) = server.backups.iterdir()
    first.rename(server.backups / "events-20000101T000000Z.dump")
    server.store("delete from events where user_id = 'user 1'")
    server.script(SCRIPTS / "backup.sh")
    server.store("truncate events, event_counts")
    server.script(SCRIPTS / "restore.sh", BACKUP="events-20000101T000000Z.dump")
    assert server.rows("owner", "select count(*) from events") == [(500,)]


def test_a_restore_says_so_where_there_is_no_backup(server: Server):
    done = server.script(SCRIPTS / "restore.sh", ok=False)
    assert done.returncode != 0
    assert "no backup at all" in done.stderr


def test_old_backups_go_only_after_a_new_one_is_whole(server: Server):
    for day in range(1, 4):
        (server.backups / f"events-2000010{day}T000000Z.dump").write_text("old")
    (server.backups / "events-20000104T000000Z.dump.part").write_text("broken off")
    broken = server.script(SCRIPTS / "backup.sh", ok=False, DATABASE_URL_FILE="/dev/null", PGHOST="/nowhere")
    assert broken.returncode != 0
    assert sorted(path.name for path in server.backups.glob("*.dump")) == [
        f"events-2000010{day}T000000Z.dump" for day in range(1, 4)
    ]

    server.script(SCRIPTS / "backup.sh")
    kept = sorted(path.name for path in server.backups.iterdir())
    assert len(kept) == 2, kept
    assert kept[0] == "events-20000103T000000Z.dump"


def test_no_script_puts_a_password_into_arguments(server: Server, tmp_path: Path):
    seen = tmp_path / "seen"
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("pg_dump", "pg_restore", "psql"):
        (programs / name).write_text(
            f'#!/bin/sh\necho "{name} $@" >> {seen}\nexec {server.postgres.server.bin_path}/{name} "$@"\n'
        )
        (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{server.environment['PATH']}"
    server.script(SCRIPTS / "backup.sh", PATH=path)
    server.store("truncate events, event_counts")
    server.script(SCRIPTS / "restore.sh", PATH=path)
    arguments = seen.read_text()
    assert {"pg_dump", "pg_restore", "psql"} <= {line.split()[0] for line in arguments.splitlines() if line}
    assert server.url("owner").split(":")[2].split("@")[0] not in arguments
    assert PASSWORDS["owner"] not in arguments
