"""Makes the databases: empty ones to write to, loaded ones to read from."""

import os
import subprocess
import sys
import time
from pathlib import Path

from psycopg import sql

from bench import BENCH
from bench.contest import say
from bench.postgres import Postgres
from bench.services import EXPRESS

SQL = BENCH / "sql"

OURS, DIRECT, PEER = "bench_ours", "bench_direct", "bench_express"
"""Empty databases: for the collector, for COPY and INSERT into the same tables, for the peer."""


ONE_SOURCE = b"'default'"
THREE_SOURCES = b"""
  (array['shop','blog','club'])[1 + width_bucket((properties ->> 'n')::bigint / 10 % 10, array[6, 9]::bigint[])]
"""
"""Expressions of a visit's source: 60 %, 30 % and 10 % of the visits."""

VISITS_DAYS = 400
"""The visits are of 395 days (sql/visits.sql)."""


def _read(file: Path) -> bytes:
    return file.read_bytes()


def create_ours(postgres: Postgres, database: str, days: int = 92) -> None:
    """Create a database with our schema, migrated, and partitions for its months."""
    postgres.create(database)
    postgres.migrate(database)
    postgres.execute(database, _read(SQL / "partitions.sql").replace(b":days", str(days).encode()))


def create_express(postgres: Postgres, database: str) -> None:
    """Create a database with the peer's table."""
    postgres.create(database)
    postgres.execute(database, _read(EXPRESS / "schema.sql"))


def loaded_ours(postgres: Postgres, events: int) -> str:
    """The name of a database with our schema and so many events. It is loaded if it doesn't exist."""
    name = f"bench_ours_{events}"
    if _is_loaded(postgres, name):
        postgres.migrate(name)
    else:
        create_ours(postgres, name)
        _load(postgres, name, "load_ours.sql", events)
    return name


def loaded_visits(postgres: Postgres, events: int) -> str:
    """The same with 13 months of visits, whose past days have blocks, as by `tracker maintain`."""
    return _loaded_visits(postgres, f"bench_visits_{events}", events, ONE_SOURCE)


def loaded_sources(postgres: Postgres, events: int) -> str:
    """The same, with three sources."""
    return _loaded_visits(postgres, f"bench_sources_{events}", events, THREE_SOURCES)


def _loaded_visits(postgres: Postgres, name: str, events: int, source: bytes) -> str:
    if _is_loaded(postgres, name):
        postgres.migrate(name)
    else:
        create_ours(postgres, name, days=VISITS_DAYS)
        postgres.execute(name, _read(SQL / "visits.sql"))
        _load(postgres, name, "load_visits.sql", events, source)
    command = [sys.executable, "-m", "event_tracker.cli", "maintain"]
    subprocess.run(command, env={**os.environ, "DATABASE_URL": postgres.url(name)}, check=True, stdout=sys.stderr)
    postgres.execute(name, "vacuum analyze")
    return name


def loaded_express(postgres: Postgres, events: int) -> str:
    """The same events in the peer's table."""
    name = f"bench_express_{events}"
    if not _is_loaded(postgres, name):
        create_express(postgres, name)
        _load(postgres, name, "load_peer.sql", events)
    return name


def _is_loaded(postgres: Postgres, database: str) -> bool:
    """Whether loading was completed, which is marked by a comment on the database."""
    query = sql.SQL("select 1 from pg_database where datname = {} and shobj_description(oid, 'pg_database') = 'loaded'")
    return postgres.execute("postgres", query.format(database)) is not None


def _load(postgres: Postgres, database: str, file: str, events: int, source: bytes = ONE_SOURCE) -> None:
    """Load generated events in the order they arrive, with all indexes in place, as they would have grown."""
    say(f"loading {events:,} events into {database}")
    started = time.monotonic()
    load = _read(SQL / file).replace(b":events", str(events).encode()).replace(b":source", source)
    # In one session: setseed makes random() draw the same for both sides.
    postgres.execute(database, _read(SQL / "generate.sql"))
    postgres.execute(database, "select setseed(0.5)", *load_statements(load))
    postgres.execute(
        database,
        "vacuum analyze",
        sql.SQL("comment on database {} is 'loaded'").format(sql.Identifier(database)),
        "checkpoint",
    )
    say(f"  in {time.monotonic() - started:.0f} s")


def load_statements(text: bytes) -> list[bytes]:
    """Split a file into statements. It must have no other semicolons than those at their ends."""
    return [statement for statement in text.split(b";") if statement.strip()]
