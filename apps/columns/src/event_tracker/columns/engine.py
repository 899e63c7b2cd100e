"""Asks questions about events in columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool

from event_tracker.columns.database import open_database
from event_tracker.columns.parquet import write_parquet
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import attempt
from event_tracker.core.postgres.replication import read_as_of

QUERIES = load_queries("event_tracker.columns", "rows.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The events that a question is about: those in [start, end), of these sources (None is all).

    Attributes:
        first_seen: whether the question also reads the relation `first_seen`.
    """

    start: datetime
    end: datetime
    sources: Sequence[str] | None
    first_seen: bool = False


class Result(NamedTuple):
    """A question's result.

    Attributes:
        as_of: everything that was committed by then is counted.
    """

    as_of: datetime
    rows: list[Any]


class Engine:
    """Runs questions, each in one snapshot of PostgreSQL.

    A statement is DuckDB's SQL. It reads the relation `events`, which has the columns of layout.COLUMNS and holds the selection's
    events; and, where the selection says so, `first_seen` (user_id, first_seen): the users who were first seen in [start, end)
    (docs/definitions.md), over all sources or by the selection's alone.
    """

    def __init__(self, pool: ConnectionPool[psycopg.Connection], folder: Path) -> None:
        self._pool = pool
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._database = open_database(folder, memory_bytes=2**29, spill_bytes=2**30, threads=2)

    def run(self, selection: Selection, statement: str, parameters: dict[str, Any]) -> Result:
        """Run a statement with its named parameters ($name)."""
        return attempt(self._pool, lambda connection: self._run(connection, selection, statement, parameters))

    def _run(
        self, connection: psycopg.Connection, selection: Selection, statement: str, parameters: dict[str, Any]
    ) -> Result:
        with TemporaryDirectory(dir=self._folder) as name, connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            as_of = read_as_of(connection)
            cursor = self._database.cursor()
            csv, parquet = Path(name) / "events.csv", Path(name) / "events.parquet"
            _copy(connection, selection, csv)
            write_parquet(cursor, csv, parquet)
            cursor.execute(f"create or replace temp view events as select * from read_parquet(['{parquet}'])")  # noqa: S608
            if selection.first_seen:
                users = _first_seen(connection, selection)
                cursor.execute("create or replace temp table first_seen (user_id varchar, first_seen timestamptz)")
                if users:
                    cursor.executemany("insert into first_seen values (?, ?)", users)
            return Result(as_of, cursor.execute(statement, parameters).fetchall())


def _copy(connection: psycopg.Connection, selection: Selection, csv: Path) -> None:
    everything = sql.SQL("true")
    statement = sql.SQL(QUERIES["copy_events"]).format(
        start=sql.Literal(selection.start),
        end=sql.Literal(selection.end),
        sources=everything
        if selection.sources is None
        else sql.SQL("source = any({})").format(list(selection.sources)),
    )
    with csv.open("wb") as file, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for data in copy:
            file.write(data)


def _first_seen(connection: psycopg.Connection, selection: Selection) -> list[Any]:
    if selection.sources is None:
        found = "select user_id, first_seen from users where first_seen >= %s and first_seen < %s"
        return connection.execute(found, [selection.start, selection.end]).fetchall()
    found = (
        "select user_id, min(timestamp) from events where source = any(%s) group by user_id"
        " having min(timestamp) >= %s and min(timestamp) < %s"
    )
    return connection.execute(found, [list(selection.sources), selection.start, selection.end]).fetchall()
