"""Builds blocks: copies events out of PostgreSQL, sorts them into a Parquet file, and writes that back.

Events are read in one snapshot, together with their count and epoch. The block is written later, in a short transaction that holds
the lock of erasures and compares the epoch: if events were deleted or changed meanwhile, the block isn't written, and its hours are read
again. So an erasure waits for a moment only, and no block holds what was erased before the block was committed.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

import duckdb
import psycopg

from event_tracker.columns.database import open_database
from event_tracker.columns.layout import LAYOUT, MAX_BYTES, MAX_EVENTS
from event_tracker.columns.loading.spans import Span
from event_tracker.columns.parquet import common_keys, write_parquet
from event_tracker.columns.rows import TooManyBytesError, copy_rows
from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.columns", "build.sql")
VALID_BLOCKS = load_queries("event_tracker.columns", "validity.sql")["valid_blocks"]

HOUR = timedelta(hours=1)

MEMORY_BYTES = 256 * 2**20
SPILL_BYTES = 2**30

TRIES = 3
"""How often the events of a block are read, if erasures change them meanwhile."""


class BuildError(Exception):
    """A block can't be built. The message holds nothing that users sent."""


class CountError(BuildError):
    """The counters don't explain how many events are stored: something else than this product has changed one of them."""


class Stretch(NamedTuple):
    """Hours of one day (UTC) and source without a valid block."""

    source: str
    start: datetime
    end: datetime

    @property
    def day(self) -> datetime:
        return self.start.replace(hour=0)

    def halves(self) -> list[Self]:
        """Two stretches; itself alone if it is one hour."""
        hours = (self.end - self.start) // HOUR
        if hours == 1:
            return [self]
        middle = self.start + hours // 2 * HOUR
        return [self._replace(end=middle), self._replace(start=middle)]


class Read(NamedTuple):
    """The state of a stretch in the snapshot in which its events were read."""

    counted: int
    epoch: int
    deleted: int


def find_unbuilt(connection: psycopg.Connection) -> list[Stretch]:
    """The stretches that need a block, of days that are over, the newest first."""
    ((first, today),) = connection.execute(QUERIES["first_hour"]).fetchall()
    if first is None or first >= today:
        return []
    given = {"start": first, "end": today, "sources": None, "layout": LAYOUT}
    spans = (Span(*row) for row in connection.execute(VALID_BLOCKS, given))
    by_day = groupby(spans, key=lambda span: (span.source, span.start.replace(hour=0)))
    stretches = [stretch for (source, day), spans in by_day for stretch in _stretches(source, day, spans)]
    return sorted(stretches, key=lambda stretch: stretch.start, reverse=True)


def _stretches(source: str, day: datetime, spans: Iterable[Span]) -> Iterator[Stretch]:
    """Fill the day between its valid blocks. Each stretch has at most MAX_EVENTS, or is one hour with events."""
    begin, events = day, 0
    for span in spans:
        if span.id is not None:
            if events:
                yield Stretch(source, begin, span.start)
            begin, events = span.end, 0
            continue
        if events and events + span.events > MAX_EVENTS:
            yield Stretch(source, begin, span.start)
            begin, events = span.start, 0
        events += span.events
    if events:
        yield Stretch(source, begin, day + 24 * HOUR)


class Builder:
    """Builds blocks, one after the other.

    Args:
        folder: exists already, on a disk with room for some times MAX_BYTES.
    """

    def __init__(self, connection: psycopg.Connection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._database = open_database(folder, memory_bytes=MEMORY_BYTES, spill_bytes=SPILL_BYTES, threads=2)

    def build(self, stretch: Stretch) -> int:
        """Build the stretch's block; several if its events have too many bytes for one.

        Returns:
            How many were built.

        Raises:
            CountError: if the counters say otherwise than the events, which no later run can mend.
            BuildError: if it can't be built for another reason.
            psycopg.Error: of the database.
        """
        for _ in range(TRIES):
            with TemporaryDirectory(dir=self._folder) as name:
                csv, parquet = Path(name) / "events.csv", Path(name) / "events.parquet"
                try:
                    read = self._read(stretch, csv)
                except TooManyBytesError:
                    return self._build_halves(stretch)
                if not read.counted:
                    return 0
                keys, events = self._write_parquet(csv, parquet)
                _check(events, read)
                if self._write(stretch, read, keys, events, parquet):
                    return 1
        raise BuildError("its events are being erased")

    def close(self) -> None:
        """Close DuckDB."""
        self._database.close()

    def _build_halves(self, stretch: Stretch) -> int:
        halves = stretch.halves()
        if len(halves) == 1:
            raise BuildError(f"the hour at {stretch.start:%H:%M} has more than {MAX_BYTES:,} bytes")
        return sum(self.build(half) for half in halves)

    def _read(self, stretch: Stretch, csv: Path) -> Read:
        with self._connection.transaction():
            self._connection.execute(QUERIES["begin_reading"], prepare=False)
            ((counted, epoch, deleted),) = self._connection.execute(QUERIES["look"], _given(stretch)).fetchall()
            if counted:
                copy_rows(
                    self._connection,
                    csv,
                    start=stretch.start,
                    end=stretch.end,
                    sources=[stretch.source],
                    most_bytes=MAX_BYTES,
                )
        return Read(counted, epoch, deleted)

    def _write_parquet(self, csv: Path, parquet: Path) -> tuple[list[str], int]:
        try:
            keys = common_keys(self._database, csv)
            return keys, write_parquet(self._database, csv, parquet, keys)
        except duckdb.Error as error:
            # Its message may quote what users sent.
            raise BuildError(f"DuckDB: {type(error).__name__}") from error

    def _write(self, stretch: Stretch, read: Read, keys: list[str], events: int, parquet: Path) -> bool:
        """Write the block, in place of those that are valid no more. Returns False if its events have changed."""
        given = {
            **_given(stretch),
            "counted": read.counted,
            "events": events,
            "epoch": read.epoch,
            "layout": LAYOUT,
            "keys": keys,
            "parquet": parquet.read_bytes(),
        }
        with self._connection.transaction():
            self._connection.execute(QUERIES["begin_writing"])
            ((epoch,),) = self._connection.execute(QUERIES["epoch"], _given(stretch)).fetchall()
            if epoch != read.epoch:
                return False
            self._connection.execute(QUERIES["delete_outdated"], _given(stretch))
            self._connection.execute(QUERIES["insert"], given)
        return True


def _given(stretch: Stretch) -> dict[str, Any]:
    return {**stretch._asdict(), "day": stretch.day}


def _check(events: int, read: Read) -> None:
    """Compare the number of events with the counters. If something else has changed one of them, the block couldn't be relied on.

    Which hours' events retention has deleted isn't known, only of how many of the day.
    """
    if not read.counted - read.deleted <= events <= read.counted:
        raise CountError(f"{events:,} events are stored, and {read.counted - read.deleted:,} are counted")
