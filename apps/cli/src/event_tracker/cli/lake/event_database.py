"""What the database has: the states of days and links, and copies of their rows. Every read of rows is in the snapshot of its state."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path

import click
import duckdb
import psycopg
from psycopg import sql
from psycopg.abc import Buffer

from event_tracker.cli.lake.manifest import LinksState, SourceState
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.replication import read_as_of

QUERIES = load_queries("event_tracker.cli.lake", "lake.sql")

LOCK = 5_226_190_437_712_840_153
"""Advisory lock: one export or verify of a database at a time, whatever its target, since one folder may have many names. A standby and
its primary have locks of their own."""

FIRST, LAST = date(1, 1, 1), date(9999, 12, 31)
"""Python has no other dates; the collector takes no other times."""

CSV_BYTES = 64 * 2**20
"""DuckDB has all that it has read of a CSV file in memory."""

DayState = tuple[SourceState, ...]


class EventDatabase:
    """The database, on one connection.

    Attributes:
        database_id: names it.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        ((self.database_id,),) = connection.execute(QUERIES["database"]).fetchall()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock of exporters.

        Raises:
            ClickException: if another one has it.
        """
        ((is_locked,),) = self._connection.execute(QUERIES["lock"], {"lock": LOCK}).fetchall()
        if not is_locked:
            raise click.ClickException("another `tracker lake export` or `verify` of this database is running")
        try:
            yield
        finally:
            if not self._connection.closed:
                self._connection.execute("select pg_advisory_unlock(%s)", [LOCK])

    def check_lock(self) -> None:
        """Raise psycopg.OperationalError if the connection is gone, and the lock with it."""
        self._connection.execute("select")

    @property
    def is_gone(self) -> bool:
        """Whether the connection is gone."""
        return self._connection.broken

    def today(self) -> date:
        """Today (UTC)."""
        ((today,),) = self._connection.execute(QUERIES["today"]).fetchall()
        assert isinstance(today, date)
        return today

    @contextmanager
    def snapshot(self) -> Iterator[datetime]:
        """One snapshot for all that is read in the block; its time."""
        as_of = read_as_of(self._connection)
        with self._connection.transaction():
            self._connection.execute(QUERIES["begin_reading"], prepare=False)
            yield as_of

    def read_days(self, start: date, end: date) -> dict[date, DayState]:
        """The states of the days in [start, end) that have events."""
        given = {"start": _midnight(start), "end": _midnight(end)}
        rows = self._connection.execute(QUERIES["days"], given).fetchall()
        return {day: tuple(SourceState(*row[1:]) for row in found) for day, found in groupby(rows, lambda row: row[0])}

    def read_day(self, day: date) -> DayState:
        """The state of a day; empty if it has no events."""
        return self.read_days(day, _next(day)).get(day, ())

    def read_epochs(self, day: date) -> dict[str, int]:
        """How often events of a day were deleted or changed, by source; also of sources that have no events any more."""
        return dict(self._connection.execute(QUERIES["epochs"], {"day": _midnight(day)}).fetchall())

    def copy_day(self, day: date, folder: Path) -> list[Path]:
        """Copy a day's events to CSV files in a folder, one at least, of some CSV_BYTES each."""
        statement = sql.SQL(QUERIES["copy_events"]).format(
            start=sql.Literal(_midnight(day)), end=sql.Literal(_midnight(_next(day)))
        )
        return self._copy(statement, folder)

    def digest_day(self, day: date) -> tuple[int, str]:
        """How many events a day has, and a number that is another one if any of them is."""
        given = {"start": _midnight(day), "end": _midnight(_next(day))}
        ((events, digest),) = self._connection.execute(QUERIES["digest"], given).fetchall()
        return events, digest

    def read_links(self) -> LinksState:
        """The state of the links between ids."""
        ((links, digest),) = self._connection.execute(QUERIES["links"]).fetchall()
        return LinksState(links, digest)

    def copy_links(self, folder: Path) -> list[Path]:
        """Copy the links to CSV files, as copy_day."""
        return self._copy(sql.SQL(QUERIES["copy_links"]), folder)

    def _copy(self, statement: sql.SQL | sql.Composed, folder: Path) -> list[Path]:
        files: list[Path] = []
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            rows = iter(copy)
            is_over = False
            while not is_over:
                files.append(folder / f"{len(files)}.csv")
                is_over = _write_piece(rows, files[-1])
        return files


def _write_piece(rows: Iterator[Buffer], file: Path) -> bool:
    """Write rows to a file until it is full. Returns whether there are no more. Each item is a whole row, as libpq gives them."""
    written = 0
    with file.open("wb") as out:
        for row in rows:
            written += out.write(row)
            if written >= CSV_BYTES:
                return False
    return True


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _next(day: date) -> date:
    return day + timedelta(days=1)


def describe(error: Exception) -> str:
    """What was wrong, without what users sent: details of an error of PostgreSQL or DuckDB may have some."""
    if isinstance(error, psycopg.Error):
        return error.diag.message_primary or type(error).__name__
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return f"DuckDB: {type(error).__name__}" if isinstance(error, duckdb.Error) else str(error)
