"""Makes sure that the lake has events before retention deletes them (`tracker maintain --archive-first`)."""

from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import uuid4

import click
import duckdb
import msgspec
import psycopg

from event_tracker.cli.database.retention.archive_first import NotArchivedError
from event_tracker.cli.lake.erase import ArchiveEraser, ErasureOutcome
from event_tracker.cli.lake.event_database import DayState, EventDatabase, describe
from event_tracker.cli.lake.folder_writer import FolderWriter
from event_tracker.cli.lake.opening import open_lake, work_folder
from event_tracker.cli.lake.parquet_writer import EventsDigest, ParquetWriter
from event_tracker.cli.lake.plan import check_marker, find_archived
from event_tracker.columns.lake.archived_file import LakeFileError, fetch_archived
from event_tracker.columns.lake.manifest import MARKER, Marker, decode, encode, folder_of
from event_tracker.core.storage.files import Storage

LOCK_SECONDS = 600
"""How long an export is waited for."""


class CheckedFile(NamedTuple):
    """What a day's file has, and what it was made from."""

    made_from: DayState
    digests: dict[str, EventsDigest]


class LakeArchive:
    """The lake that gets what retention deletes. Its files stay as they are while this is open.

    Args:
        work: the lake's work folder.
    """

    def __init__(self, database: EventDatabase, lake: Storage, work: Path, parquet: ParquetWriter) -> None:
        self._database = database
        self._lake = lake
        self._work = work
        self._parquet = parquet
        self._files: dict[date, CheckedFile] = {}

    def erase(self, say: Callable[[str], None]) -> ErasureOutcome:
        """Take erased people out of files of events that were archived before."""
        with closing(ArchiveEraser(self._database, self._lake, self._work, say)) as eraser:
            return eraser.run()

    def find_sources(self, start: date, end: date) -> dict[date, list[str]]:
        """The sources that have events here, by day in [start, end)."""
        return {
            day: [source.source for source in self._stored(day, state)]
            for day, state in self._database.read_days(start, end).items()
        }

    def check(self, day: date, sources: Collection[str]) -> None:
        """Read a day's file, and make sure that it has the events that these sources have here now, value by value.

        Raises:
            NotArchivedError: if it doesn't, or can't be read.
        """
        if day not in self._files:
            self._files[day] = self._read(day)
        in_file = self._files[day].digests
        with self._database.snapshot():
            self._compare(day, self._database.read_day(day), sources)
            in_table = self._database.digest_day(day)
        for source in sources:
            if source in in_table and in_table[source] != in_file.get(source):
                raise NotArchivedError(
                    day,
                    f"its file has other events of {source} than the database: after a restore or a failover "
                    "run `tracker lake export --again`",
                )

    def record(self, day: date, sources: Collection[str]) -> int:
        """Record that only the lake has these events, in the transaction that deletes them. Returns how many these are.

        Raises:
            NotArchivedError: if they were changed since `check`.
        """
        state = self._database.read_day(day)
        self._compare(day, state, sources)
        gone = tuple(source for source in self._stored(day, state) if source.source in sources)
        self._database.archive_day(day, gone)
        return sum(source.counted - source.deleted for source in gone)

    def _stored(self, day: date, state: DayState) -> DayState:
        archived = self._database.read_archived(day)
        return tuple(source for source in state if source.source not in archived)

    def _compare(self, day: date, state: DayState, sources: Collection[str]) -> None:
        """Compare the counters with the manifest. Events of the same counts and epoch are the same events, unless the database was
        restored or failed over meanwhile, which ends the connection."""
        had = {source.source: source for source in self._files[day].made_from}
        for source in self._stored(day, state):
            if source.source in sources and had.get(source.source) != source:
                raise NotArchivedError(day, f"events of {source.source} were added or changed since it was exported")

    def _read(self, day: date) -> CheckedFile:
        with TemporaryDirectory(dir=self._work) as name:
            file = Path(name) / "fetched.parquet"
            try:
                manifest = fetch_archived(self._lake, folder_of(day), file)
                digests = self._parquet.digest(file)
            except (LakeFileError, OSError, duckdb.Error) as error:
                raise NotArchivedError(day, describe(error)) from None
        if manifest.database != self._database.database_id or not isinstance(manifest.made_from, tuple):
            raise NotArchivedError(day, "its manifest is of another database")
        archived = self._database.read_archived(day)
        for source in manifest.made_from:
            if source.source in archived:
                continue
            found = digests.get(source.source)
            if (found.events if found else 0) != source.counted - source.deleted:
                raise NotArchivedError(
                    day, f"its file has another number of {source.source}'s events than were counted"
                )
        return CheckedFile(manifest.made_from, digests)


@contextmanager
def open_archive(connection: psycopg.Connection, target: str) -> Iterator[LakeArchive]:
    """Open a lake to archive events in, and hold the lock of exporters.

    Args:
        connection: of the database's owner.
        target: a folder, or `s3://bucket/prefix`.

    Raises:
        ClickException: if it can't be read, is of another database, or another lake has archived events.
    """
    database, lake = EventDatabase(connection), open_lake(target)
    with database.lock(LOCK_SECONDS):
        try:
            check_marker(database, lake, is_again=False)
            with work_folder(lake) as work:
                _begin(database, lake, work)
                with closing(ParquetWriter(work)) as parquet:
                    yield LakeArchive(database, lake, work, parquet)
        except OSError as error:
            raise click.ClickException(f"{target} can't be used: {describe(error)}") from error


def _begin(database: EventDatabase, lake: Storage, work: Path) -> None:
    """Let the lake be the one that has archived events. Both sides say so before the first event is deleted."""
    marker = decode(Marker, lake.read(MARKER))
    if marker is None:
        raise click.ClickException(f"{lake.name} is no lake yet: run `tracker lake export` first")
    known = database.read_lake_id()
    if known is None:
        database.save_lake_id(marker.lake_id or uuid4())
        known = database.read_lake_id()
    if marker.lake_id is None and not database.has_archived():
        marker = msgspec.structs.replace(marker, lake_id=known)
        FolderWriter(database, lake, work).put(encode(marker), MARKER)
    if marker.lake_id != known:
        raise click.ClickException(f"{lake.name} isn't the lake that has the archived events of this database")
    find_archived(database, lake, marker)
