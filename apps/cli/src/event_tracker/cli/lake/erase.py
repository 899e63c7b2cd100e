"""Takes erased people out of the lake's files of events that are nowhere else: PostgreSQL can't tell any more which days these are.

An erasure has left the ids in the table `archive_erasures`. Each file with archived events is read; one that has some of them is
written again as a whole, and the day's epoch moves. Once no file has any, the ids are deleted. It may be stopped at any moment: until
then the next run begins again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import msgspec
import psycopg

from event_tracker.cli.lake.event_database import FIRST, LAST, DayState, EventDatabase, describe
from event_tracker.cli.lake.folder_writer import FolderWriter
from event_tracker.cli.lake.parquet_writer import ErasedId, ParquetWriter
from event_tracker.columns.lake.archived_file import LakeFileError, fetch_archived
from event_tracker.columns.lake.manifest import DATA_FILE, LinksState, Manifest, SourceState, folder_of
from event_tracker.core.storage.files import Storage


@dataclass
class ErasureOutcome:
    """What a run has done."""

    ids: int = 0
    days: int = 0
    written: int = 0
    events: int = 0
    failed: int = 0

    def __str__(self) -> str:
        failed = f", {self.failed:,} failed" if self.failed else ""
        return f"erased {self.events:,} archived events of {self.ids:,} ids: {self.written:,} of {self.days:,} days written again{failed}"


class ArchiveEraser:
    """Erases from one lake, as the database's owner, under the lock of exporters.

    Args:
        database: knows that the lake has its archived events.
        work: the lake's work folder.
        say: gets a line for each file that can't be erased from.
    """

    def __init__(self, database: EventDatabase, lake: Storage, work: Path, say: Callable[[str], None]) -> None:
        self._database = database
        self._lake = lake
        self._work = work
        self._say = say
        self._folders = FolderWriter(database, lake, work)
        self._parquet = ParquetWriter(work)

    def close(self) -> None:
        """Close DuckDB."""
        self._parquet.close()

    def run(self) -> ErasureOutcome:
        """Erase whoever waits for it. Nothing is read if nobody does."""
        numbers, erased = self._database.read_erasures()
        outcome = ErasureOutcome(ids=len(erased))
        if not erased:
            return outcome
        for day, state in self._database.read_days(FIRST, LAST).items():
            archived = set(self._database.read_archived(day))
            if not archived:
                continue
            outcome.days += 1
            try:
                events = self._erase(day, tuple(source for source in state if source.source in archived), erased)
            except (psycopg.Error, duckdb.Error, OSError, LakeFileError) as error:
                if self._database.is_gone:
                    raise
                self._say(f"can't erase from {day}: {describe(error)}")
                outcome.failed += 1
                continue
            outcome.written += bool(events)
            outcome.events += events
        if not outcome.failed:
            self._database.end_erasures(numbers)
        return outcome

    def _erase(self, day: date, known: DayState, erased: list[ErasedId]) -> int:
        """Write a day's file again if it has something of erased people. Returns how many events that were."""
        sources = [source.source for source in known]
        with TemporaryDirectory(dir=self._work) as name:
            former, parquet = Path(name) / "former.parquet", Path(name) / DATA_FILE
            manifest = fetch_archived(self._lake, folder_of(day), former)
            found = self._parquet.count_erased(former, sources, erased)
            if found:
                rows = self._parquet.write_without_erased(former, sources, parquet)
                state = tuple(_moved(source, found) for source in _state_of(manifest))
                self._folders.write(folder_of(day), parquet, rows, self._database.now(), state, manifest)
                manifest = msgspec.structs.replace(manifest, made_from=state)
        # A run that was stopped may have written the file, and not said so.
        archived = tuple(source for source in _state_of(manifest) if source.source in sources)
        if archived != known:
            self._database.move_archived(day, archived)
        return sum(found.values())


def _state_of(manifest: Manifest) -> DayState:
    assert not isinstance(manifest.made_from, LinksState)
    return manifest.made_from


def _moved(source: SourceState, found: dict[str, int]) -> SourceState:
    return msgspec.structs.replace(source, epoch=source.epoch + 1) if source.source in found else source
