"""Compares what a lake says of itself with its files and with the database."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb

from event_tracker.cli.lake.event_database import DayState, EventDatabase
from event_tracker.cli.lake.opening import list_files
from event_tracker.cli.lake.parquet_writer import ParquetWriter
from event_tracker.cli.lake.plan import Listing, Range, find_archived, plan
from event_tracker.columns.lake.archived_file import hash_file
from event_tracker.columns.lake.manifest import (
    DATA_FILE,
    LINKS,
    MANIFEST,
    MARKER,
    PERSONS,
    SCHEMA,
    LinksState,
    Manifest,
    ManifestFile,
    Marker,
    decode,
    folder_of,
)
from event_tracker.core.storage.files import Storage


class Verifier:
    """Looks at one lake, and changes nothing.

    Args:
        work: an empty folder for copies of files.
        with_events: also compare the values of all events.

    Attributes:
        days, rows: how many were looked at.
    """

    def __init__(self, database: EventDatabase, lake: Storage, work: Path, *, with_events: bool = False) -> None:
        self._database = database
        self._lake = lake
        self._work = work
        self._with_events = with_events
        self._parquet = ParquetWriter(work)
        self._copies = 0
        self.days = self.rows = 0

    def close(self) -> None:
        """Close DuckDB."""
        self._parquet.close()

    def run(self, days: Range) -> Iterator[str]:
        """Each difference, in a line.

        Raises:
            psycopg.Error: of the database.
            OSError: of the lake.
        """
        marker = decode(Marker, self._lake.read(MARKER))
        if marker is None:
            yield f"{MARKER} is missing, or can't be read"
        elif marker.database != self._database.database_id:
            yield f"the lake is of database {marker.database}, and this is {self._database.database_id}"
        find_archived(self._database, self._lake, marker)
        listing = list_files(self._lake)
        for day, state in plan(self._database, listing, days):
            if not days.has(day):
                continue
            self.days += 1
            yield from self._compare_day(day, state, listing)
        links = self._database.read_links()
        for folder in (LINKS, PERSONS):
            for difference in self._compare_folder(folder, links, listing):
                yield f"{folder}: {difference}"

    def _compare_day(self, day: date, state: DayState, listing: Listing) -> Iterator[str]:
        is_same = True
        for difference in self._compare_folder(folder_of(day), state, listing):
            is_same = False
            yield f"{day}: {difference}"
        if is_same and self._with_events:
            yield from self._compare_events(day, state)

    def _compare_folder(self, folder: str, state: DayState | LinksState, listing: Listing) -> Iterator[str]:
        named = f"{folder}/{MANIFEST}"
        here = {path.removeprefix(f"{folder}/") for path in listing if path.startswith(f"{folder}/")} - {MANIFEST}
        manifest = decode(Manifest, self._lake.read(named)) if named in listing else None
        if manifest is None:
            yield "has no manifest" if named not in listing else "the manifest can't be read"
            return
        if manifest.schema != SCHEMA:
            yield f"is of schema {manifest.schema}, and this is {SCHEMA}"
        if not state:
            yield f"has {manifest.rows:,} events, and the table none"
        elif manifest.made_from != state:
            yield _explain(manifest.made_from, state)
        for name in sorted(here - {file.name for file in manifest.files}):
            yield f"{name} isn't in the manifest"
        for file in manifest.files:
            yield from self._compare_file(folder, file)

    def _compare_file(self, folder: str, file: ManifestFile) -> Iterator[str]:
        self._renew_copy()
        if not self._lake.fetch(f"{folder}/{file.name}", self._copy):
            yield f"{file.name} is missing"
            return
        size = self._copy.stat().st_size
        if size != file.bytes:
            yield f"{file.name} has {size:,} bytes, and {file.bytes:,} in the manifest"
        elif hash_file(self._copy) != file.sha256:
            yield f"{file.name} has another SHA-256 than in the manifest"
        try:
            rows = self._parquet.count(self._copy)
        except duckdb.Error:
            yield f"{file.name} isn't Parquet"
            return
        self.rows += rows
        if rows != file.rows:
            yield f"{file.name} has {rows:,} rows, and {file.rows:,} in the manifest"

    def _renew_copy(self) -> None:
        """Give the next copy a name of its own: DuckDB remembers what it has read of a file of the same name and time."""
        self._copy.unlink(missing_ok=True)
        self._copies += 1

    @property
    def _copy(self) -> Path:
        return self._work / f"{self._copies}.parquet"

    def _compare_events(self, day: date, state: DayState) -> Iterator[str]:
        """Compare all values. The day's file is the copy that was compared last."""
        with self._database.snapshot():
            if self._database.read_day(day) != state:
                yield f"{day}: has changed meanwhile"
                return
            in_table = self._database.digest_day(day)
        in_file = self._parquet.digest(self._copy, self._database.read_archived(day))
        events, stored = (sum(source.events for source in digests.values()) for digests in (in_file, in_table))
        if events != stored:
            yield f"{day}: {DATA_FILE} has {events:,} events, and the table {stored:,}"
        elif in_file != in_table:
            yield f"{day}: events in {DATA_FILE} are others than in the table"


def _explain(before: DayState | LinksState, now: DayState | LinksState) -> str:
    """What has changed since a folder was written."""
    if isinstance(before, LinksState) or isinstance(now, LinksState):
        return "links have changed since it was written"
    was = {source.source: source for source in before}
    found = []
    for source in now:
        old = was.pop(source.source, None)
        if old is None:
            found.append(f"{source.source} has {source.counted:,} events, and had none")
        elif old != source:
            found.append(
                f"{source.source} has counted {source.counted:,} events (epoch {source.epoch}), "
                f"and had {old.counted:,} (epoch {old.epoch})"
            )
    found += [f"{source} has no events, and had {old.counted:,}" for source, old in was.items()]
    return f"the table has changed since it was written: {'; '.join(found)}"
