"""What the database has: the states of days and links, and copies of their rows. Every read of rows is in the snapshot of its state."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from uuid import UUID

import click
import duckdb
import msgspec
import psycopg
from psycopg import sql
from psycopg.abc import Buffer

from event_tracker.cli.lake.parquet_writer import ErasedId, EventsDigest
from event_tracker.columns.lake.manifest import LinksState, SourceState
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.replication import read_as_of

QUERIES = load_queries("event_tracker.cli.lake", "lake.sql")

LOCK = 5_226_190_437_712_840_153
"""Advisory lock: one export or verify of a database at a time, whatever its target, since one folder may have many names. A standby and
its primary have locks of their own."""

LOCK_PAUSE_SECONDS = 0.5
"""How often a lock that another one has is tried again."""

FIRST, LAST = date(1, 1, 1), date(9999, 12, 31)
"""Python has no other dates; the collector takes no other times."""

CSV_BYTES = 64 * 2**20
"""DuckDB has all that it has read of a CSV file in memory."""

DayState = tuple[SourceState, ...]


class EventDatabase:
    """The database, on one connection.

    Attributes:
        database_id: names it.
        lake_has_archived: whether the lake has events that retention has deleted here. Then the states of days have these, too.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self.lake_has_archived = False
        ((self.database_id,),) = connection.execute(QUERIES["database"]).fetchall()

    @contextmanager
    def lock(self, seconds: float = 0) -> Iterator[None]:
        """Hold the lock of exporters.

        Args:
            seconds: how long to wait for it.

        Raises:
            ClickException: if another one has it.
        """
        end = time.monotonic() + seconds
        while not self._take_lock():
            if time.monotonic() >= end:
                raise click.ClickException("another `tracker lake` command of this database is running")
            time.sleep(LOCK_PAUSE_SECONDS)
        try:
            yield
        finally:
            if not self._connection.closed:
                self._connection.execute("select pg_advisory_unlock(%s)", [LOCK])

    def _take_lock(self) -> bool:
        ((is_locked,),) = self._connection.execute(QUERIES["lock"], {"lock": LOCK}).fetchall()
        return bool(is_locked)

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
        given = {"start": midnight(start), "end": midnight(end), "lake_has_archived": self.lake_has_archived}
        rows = self._connection.execute(QUERIES["days"], given).fetchall()
        return {day: tuple(SourceState(*row[1:]) for row in found) for day, found in groupby(rows, lambda row: row[0])}

    def read_day(self, day: date) -> DayState:
        """The state of a day; empty if it has no events."""
        return self.read_days(day, _next(day)).get(day, ())

    def read_epochs(self, day: date) -> dict[str, int]:
        """How often events of a day were deleted or changed, by source; also of sources that have no events any more."""
        return dict(self._connection.execute(QUERIES["epochs"], {"day": midnight(day)}).fetchall())

    def read_lake_id(self) -> UUID | None:
        """The id of the lake that has archived events; None if no event is archived."""
        found = self._connection.execute(QUERIES["lake_id"]).fetchall()
        return found[0][0] if found else None

    def has_archived(self) -> bool:
        """Whether any event is archived."""
        return bool(self._connection.execute(QUERIES["has_archived"]).fetchall())

    def read_archived(self, day: date) -> list[str]:
        """The sources whose events of a day only the lake has; none if the lake is another."""
        if not self.lake_has_archived:
            return []
        return [source for (source,) in self._connection.execute(QUERIES["archived_sources"], {"day": midnight(day)})]

    def read_erasures(self) -> tuple[list[int], list[ErasedId]]:
        """The ids whose archived events are to be erased, and the numbers of these rows."""
        rows = self._connection.execute(QUERIES["waiting_erasures"]).fetchall()
        return [number for number, *_ in rows], [ErasedId(*row[1:]) for row in rows]

    def end_erasures(self, numbers: list[int]) -> None:
        """Forget these ids: the lake has nothing of them any more."""
        self._connection.execute(QUERIES["end_erasures"], {"ids": numbers})

    def move_archived(self, day: date, state: DayState) -> None:
        """Let the database know the state of archived sources, after their file was written again."""
        with self._connection.transaction():
            for source in state:
                given = {"day": midnight(day), "source": source.source, "epoch": source.epoch}
                self._connection.execute(QUERIES["move_archived"], given)

    def save_lake_id(self, lake: UUID) -> None:
        """Let a lake be the one that gets archived events. Nothing happens if there is one."""
        self._connection.execute(QUERIES["save_lake_id"], {"lake": lake})

    def archive_day(self, day: date, state: DayState) -> None:
        """Record that only the lake has these events from now on."""
        with self._connection.cursor() as cursor:
            rows = [{"day": midnight(day), **msgspec.structs.asdict(source)} for source in state]
            cursor.executemany(QUERIES["archive_day"], rows)

    def now(self) -> datetime:
        """What is committed by then is seen from now on."""
        return read_as_of(self._connection)

    def copy_day(self, day: date, folder: Path) -> list[Path]:
        """Copy a day's events to CSV files in a folder, one at least, of some CSV_BYTES each."""
        statement = sql.SQL(QUERIES["copy_events"]).format(
            start=sql.Literal(midnight(day)), end=sql.Literal(midnight(_next(day)))
        )
        return self._copy(statement, folder)

    def digest_day(self, day: date) -> dict[str, EventsDigest]:
        """Digests of the events that a day has here, by source."""
        given = {"start": midnight(day), "end": midnight(_next(day))}
        rows = self._connection.execute(QUERIES["digest"], given).fetchall()
        return {source: EventsDigest(*row) for source, *row in rows}

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


def midnight(day: date) -> datetime:
    """The beginning of a day (UTC)."""
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
