"""Brings the lake to the state of the database: writes each day again whose counts or epoch are others than when it was written.

A day's file is made aside from one snapshot and put in its place at once; its manifest follows. Whenever this ends, by whatever, the next
run does the rest: a manifest that is missing, or that names another state or another file than are there, makes its day be written again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import duckdb
import psycopg

from event_tracker.cli.lake.event_database import DayState, EventDatabase, describe
from event_tracker.cli.lake.folder_writer import FolderWriter
from event_tracker.cli.lake.opening import list_files
from event_tracker.cli.lake.parquet_writer import ParquetWriter
from event_tracker.cli.lake.plan import Listing, Range, find_archived, is_behind, is_current, plan
from event_tracker.columns.lake.archived_file import LakeFileError, fetch_archived
from event_tracker.columns.lake.manifest import (
    DATA_FILE,
    LINKS,
    MANIFEST,
    MARKER,
    PERSONS,
    SCHEMA,
    Manifest,
    Marker,
    decode,
    encode,
    folder_of,
)
from event_tracker.core.storage.files import Storage


@dataclass
class Outcome:
    """What a run has done: numbers of days, events and bytes. `failed` also counts the links."""

    written: int = 0
    removed: int = 0
    unchanged: int = 0
    failed: int = 0
    events: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        failed = f", {self.failed:,} failed" if self.failed else ""
        return (
            f"{self.written:,} days written ({self.events:,} events, {self.bytes:,} bytes), {self.removed:,} removed, "
            f"{self.unchanged:,} unchanged{failed}"
        )


class Exporter:
    """Exports to one lake, after `check_marker`. The lock is held meanwhile.

    Args:
        work: an empty folder for what is being made.
        is_again: write every day of the range again, whatever its manifest says.
        say: prints a line.

    Attributes:
        outcome: what was done so far.
    """

    def __init__(
        self, database: EventDatabase, lake: Storage, work: Path, *, is_again: bool = False, say: Callable[[str], None]
    ) -> None:
        self._database = database
        self._lake = lake
        self._work = work
        self._is_again = is_again
        self._say = say
        self._parquet = ParquetWriter(work)
        self._folders = FolderWriter(database, lake, work)
        self._lake_id: UUID | None = None
        self._removed_as_of: datetime | None = None
        self.outcome = Outcome()

    def close(self) -> None:
        """Close DuckDB."""
        self._parquet.close()

    def run(self, days: Range) -> None:
        """Export new days of the range, the days that the lake has, and the links. What fails is said and counted; the rest is done.

        Raises:
            psycopg.Error: if the connection is gone.
            OSError: if the lake can't be listed, or its marker written.
        """
        marker = decode(Marker, self._lake.read(MARKER))
        find_archived(self._database, self._lake, marker)
        self._lake_id = marker.lake_id if marker is not None else None
        if marker is None or (marker.schema, marker.database) != (SCHEMA, self._database.database_id):
            self._write_marker(None)
        else:
            self._removed_as_of = marker.removed_as_of
        listing = list_files(self._lake)
        for day, state in plan(self._database, listing, days):
            is_again = self._is_again and days.has(day)
            with self._failures_counted(str(day)):
                self._export_day(day, state, listing, is_again=is_again)
        with self._failures_counted(LINKS):
            self._export_links(listing)

    @contextmanager
    def _failures_counted(self, what: str) -> Iterator[None]:
        try:
            yield
        except (psycopg.Error, duckdb.Error, OSError, LakeFileError) as error:
            if self._database.is_gone:
                raise
            self._say(f"can't write {what}: {describe(error)}")
            self.outcome.failed += 1

    def _export_day(self, day: date, state: DayState, listing: Listing, *, is_again: bool) -> None:
        outcome = self.outcome
        folder = folder_of(day)
        manifest = self._folders.read(folder, listing)
        if state and not is_again and is_current(manifest, state, self._database.database_id, folder, listing):
            outcome.unchanged += 1
            return
        if not is_again and is_behind(state, self._database.read_epochs(day), manifest, self._database.database_id):
            self._leave(str(day))
            return
        with TemporaryDirectory(dir=self._work) as name:
            work = Path(name)
            archived = self._database.read_archived(day)
            former = work / "former.parquet"
            if archived:
                # Only the lake has these events. Its manifest may be of the file before.
                manifest = fetch_archived(self._lake, folder, former)
                if is_behind(state, self._database.read_epochs(day), manifest, manifest.database):
                    self._leave(str(day))
                    return
            with self._database.snapshot() as as_of:
                if not is_again and self._is_later(manifest, as_of):
                    self._leave(str(day))
                    return
                state = self._database.read_day(day)
                csv = self._database.copy_day(day, work) if state else []
            if not state:
                self._remove(folder, listing, as_of)
                self._say(f"{day}: has no events any more, removed")
                outcome.removed += 1
                return
            events = self._write_events(csv, work / DATA_FILE, former, archived)
            size = self._folders.write(folder, work / DATA_FILE, events, as_of, state, manifest if archived else None)
        counted = sum(source.counted - source.deleted for source in state)
        if events != counted:
            self._say(f"warning: {day}: {events:,} events are stored, and {counted:,} are counted")
        self._say(f"{day}: {events:,} events, {size:,} bytes")
        outcome.written += 1
        outcome.events += events
        outcome.bytes += size

    def _write_events(self, csv: list[Path], parquet: Path, former: Path, archived: list[str]) -> int:
        """Write a day's file, with what the former one has of archived sources. Returns how many events it has."""
        if not archived:
            return self._parquet.write_events(csv, parquet)
        kept = former.with_name("archived.parquet")
        self._parquet.keep_archived(former, archived, kept)
        return self._parquet.write_events(csv, parquet, [kept])

    def _export_links(self, listing: Listing) -> None:
        """Write the links again if any has changed."""
        database_id = self._database.database_id
        state = self._database.read_links()
        manifests = {folder: self._folders.read(folder, listing) for folder in (LINKS, PERSONS)}
        current = (is_current(found, state, database_id, folder, listing) for folder, found in manifests.items())
        if not self._is_again and all(current):
            return
        with TemporaryDirectory(dir=self._work) as name:
            work = Path(name)
            links, persons = work / "links.parquet", work / "persons.parquet"
            with self._database.snapshot() as as_of:
                if not self._is_again and any(self._is_later(found, as_of) for found in manifests.values()):
                    self._leave(LINKS)
                    return
                state = self._database.read_links()
                csv = self._database.copy_links(work)
            numbers = self._parquet.write_links(csv, links, persons)
            for folder, file, rows in zip((LINKS, PERSONS), (links, persons), numbers, strict=True):
                self._folders.write(folder, file, rows, as_of, state)
        self._say(f"links: {numbers[0]:,} links, {numbers[1]:,} ids that lead to another")

    def _is_later(self, manifest: Manifest | None, as_of: datetime) -> bool:
        """Whether a folder was written, or a day without a manifest may have been removed, from a snapshot later than this one."""
        if manifest is None:
            return self._removed_as_of is not None and as_of < self._removed_as_of
        return manifest.database == self._database.database_id and as_of < manifest.as_of

    def _leave(self, what: str) -> None:
        self._say(
            f"{what}: the lake is ahead of this database, which lags or was restored; it stays as it is (--again)"
        )
        self.outcome.failed += 1

    def _write_marker(self, removed_as_of: datetime | None) -> None:
        """Write of which database the lake is."""
        self._removed_as_of = removed_as_of
        marker = Marker(SCHEMA, self._database.database_id, removed_as_of, self._lake_id)
        self._folders.put(encode(marker), MARKER)

    def _remove(self, folder: str, listing: Listing, as_of: datetime) -> None:
        """Delete a day. The manifest is the last, so that the next run finds what is left; the marker is the first, so that a standby that
        still has the day's events doesn't write them again."""
        self._write_marker(max(as_of, self._removed_as_of or as_of))
        self._database.check_lock()
        for name in (DATA_FILE, MANIFEST):
            if f"{folder}/{name}" in listing:
                self._lake.delete(f"{folder}/{name}")
