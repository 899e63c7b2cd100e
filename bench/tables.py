"""Makes the databases: empty ones to write to, loaded ones to read from."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql

from bench import BENCH
from bench.contest import say
from bench.postgres import Postgres
from bench.release import TODAY, Release
from bench.services import EXPRESS
from bench.visits import DAYS, copy_visits

SQL = BENCH / "sql"

OURS, DIRECT, PEER = "bench_ours", "bench_direct", "bench_express"
"""Empty databases: for the collector, for COPY and INSERT into the same tables, for the peer."""


def _read(file: Path) -> bytes:
    return file.read_bytes()


def create_ours(postgres: Postgres, database: str, days: int = 92, release: Release = TODAY) -> None:
    """Create a database with our schema, migrated, and partitions for its months."""
    postgres.create(database)
    postgres.migrate(database, release.migrations)
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


def loaded_visits(postgres: Postgres, events: int, release: Release = TODAY) -> str:
    """The same with 13 months of visits, whose past days have blocks, as by `tracker maintain`; with a release before blocks, what its
    command makes of them."""
    name = f"bench_visits_{events}" if release is TODAY else f"bench_visits_{events}_{release.name.split()[-1]}"
    return _loaded_visits(postgres, name, events, release)


def loaded_sources(postgres: Postgres, events: int) -> str:
    """The same, with three sources."""
    return _loaded_visits(postgres, f"bench_sources_{events}", events, TODAY, three_sources=True)


def _loaded_visits(postgres: Postgres, name: str, events: int, release: Release, *, three_sources: bool = False) -> str:
    if _is_loaded(postgres, name):
        postgres.migrate(name, release.migrations)
    else:
        say(f"loading {events:,} events into {name}")
        started = time.monotonic()
        create_ours(postgres, name, DAYS, release)
        copy_visits(postgres, name, events, three_sources=three_sources)
        _mark_loaded(postgres, name, started)
    started = time.monotonic()
    release.maintain(postgres.url(name))
    postgres.execute(name, "vacuum analyze")
    say(f"  maintained in {time.monotonic() - started:.0f} s")
    return name


@contextmanager
def copied(postgres: Postgres, database: str) -> Iterator[str]:
    """The name of a copy of a database, to write to."""
    name = f"{database}_copy"
    identifiers = [sql.Identifier(one) for one in (name, database)]
    drop = sql.SQL("drop database if exists {} with (force)").format(identifiers[0])
    postgres.execute("postgres", drop, sql.SQL("create database {} template {}").format(*identifiers))
    try:
        yield name
    finally:
        postgres.execute("postgres", drop)


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


def _load(postgres: Postgres, database: str, file: str, events: int) -> None:
    """Load generated events in the order they arrive, with all indexes in place, as they would have grown."""
    say(f"loading {events:,} events into {database}")
    started = time.monotonic()
    load = _read(SQL / file).replace(b":events", str(events).encode())
    # In one session: setseed makes random() draw the same for both sides.
    postgres.execute(database, _read(SQL / "generate.sql"))
    postgres.execute(database, "select setseed(0.5)", *load_statements(load))
    _mark_loaded(postgres, database, started)


def _mark_loaded(postgres: Postgres, database: str, started: float) -> None:
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
