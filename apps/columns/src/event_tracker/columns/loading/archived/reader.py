"""Brings archived days to the local disk: fetches a day's file from the lake, compares it with its manifest, and makes columns of it."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from threading import RLock
from typing import NamedTuple
from uuid import uuid4

import duckdb
import gevent
import psycopg
import structlog

from event_tracker.columns import metrics
from event_tracker.columns.lake.archived_file import LakeFileError, fetch_archived
from event_tracker.columns.lake.manifest import MARKER, Manifest, Marker, decode, folder_of
from event_tracker.columns.loading.archived.archived_days import ArchivedDay, ArchivedDays, read_epochs
from event_tracker.columns.loading.archived.converter import write_csv
from event_tracker.columns.loading.cache import Cache, Lease
from event_tracker.columns.loading.deadline import Deadline
from event_tracker.columns.loading.threads import run_in_thread
from event_tracker.columns.parquet import common_keys, write_parquet
from event_tracker.core.http.errors import Problem
from event_tracker.core.storage.files import Storage
from event_tracker.core.storage.folder import FolderStorage

PREFIX = "archived-"

ATTEMPTS = 3
"""A file may be replaced between its manifest and itself."""

UNAVAILABLE = (
    "This question reads events that only the lake has, from {day} on, and the lake can't be read now. Ask again later, or for a range "
    "without archived days."
)

log = structlog.get_logger("columns")

OpenCursor = Callable[[], duckdb.DuckDBPyConnection]


class ArchivedFile(NamedTuple):
    """A file on the local disk.

    Attributes:
        keys: properties that have a column of their own in it.
    """

    name: str
    keys: tuple[str, ...]


Files = dict[ArchivedDay, tuple[ArchivedFile, ...]]


class LakeReader:
    """Archived days of one lake.

    Args:
        open_cursor: a connection to DuckDB that may read and write the cache's folder.
    """

    def __init__(self, lake: Storage, open_cursor: OpenCursor, cache: Cache) -> None:
        self._lake = lake
        self._open_cursor = open_cursor
        self._cache = cache
        self._lake_id: str | None = None
        self._known: Files = {}
        self._lock = RLock()

    def find(self, state: ArchivedDays, lease: Lease) -> Files:
        """The days that are on the local disk. The lease has them then."""
        found = {}
        for day in state.days:
            with self._lock:
                files = self._known.get(day)
            if files is not None and lease.take(file.name for file in files):
                found[day] = files
        return found

    def load(self, state: ArchivedDays, lease: Lease, deadline: Deadline) -> Files:
        """Bring all days to the local disk, and let the lease have them. What was loaded is kept, even if the whole isn't in time.

        Raises:
            Problem: 503 if the lake can't be read, 504 after the deadline.
        """
        found = self.find(state, lease)
        missing = sorted((day for day in state.days if day not in found), key=lambda day: (day.start, day.source))
        if not missing:
            return found
        try:
            self._check_lake(state.lake)
            for _, days in groupby(missing, key=lambda day: day.start):
                deadline.check()
                found |= self._load_day(list(days), lease, deadline)
        except (LakeFileError, OSError) as error:
            log.warning("the lake can't be read", error=str(error))
            detail = UNAVAILABLE.format(day=missing[0].start.date().isoformat())
            raise Problem(503, "lake_unavailable", detail) from None
        return found

    def forget(self, names: set[str]) -> None:
        """Forget days whose files were deleted."""
        with self._lock:
            self._known = {
                day: files for day, files in self._known.items() if not any(file.name in names for file in files)
            }

    def forget_erased(self, connection: psycopg.Connection) -> set[str]:
        """The files of days from which somebody was erased since, and those that no day is known to have."""
        with self._lock:
            known = dict(self._known)
        epochs = read_epochs(connection) if known else {}
        kept = {day for day in known if epochs.get((day.source, day.start)) == day.epoch}
        left = {file.name for day in kept for file in known[day]}
        return {name for name in self._cache.names if is_archived(name)} - left - self._cache.in_use | {
            file.name for day in known.keys() - kept for file in known[day]
        }

    def _check_lake(self, lake_id: str | None) -> None:
        if self._lake_id is None:
            marker = decode(Marker, self._lake.read(MARKER))
            self._lake_id = str(marker.lake_id) if marker and marker.lake_id else None
        if self._lake_id != lake_id:
            self._lake_id = None
            raise LakeFileError("it isn't the lake that has the archived events of this database")

    def _load_day(self, days: list[ArchivedDay], lease: Lease, deadline: Deadline) -> Files:
        file = self._cache.temporary_path()
        try:
            self._cache.retry_if_disk_full(partial(self._fetch, days[0], file, deadline))
            loaded: Files = {}
            for day in days:
                loaded[day] = self._cache.retry_if_disk_full(partial(self._convert, day, file, lease, deadline))
                with self._lock:
                    self._known[day] = loaded[day]
            return loaded
        finally:
            file.unlink(missing_ok=True)

    def _fetch(self, day: ArchivedDay, file: Path, deadline: Deadline) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                manifest = self._fetch_once(folder_of(day.start.date()), file, deadline)
            except LakeFileError:
                if attempt == ATTEMPTS:
                    raise
            else:
                metrics.ARCHIVED_FILES_FETCHED.inc()
                metrics.ARCHIVED_BYTES_FETCHED.inc(sum(one.bytes for one in manifest.files))
                return

    def _fetch_once(self, folder: str, file: Path, deadline: Deadline) -> Manifest:
        fetch = partial(fetch_archived, self._lake, folder, file)
        if isinstance(self._lake, FolderStorage):
            return run_in_thread(fetch, deadline)
        # While this waits for the network, other requests go on.
        with gevent.Timeout(deadline.remaining, deadline.problem()):
            return fetch()

    def _convert(self, day: ArchivedDay, file: Path, lease: Lease, deadline: Deadline) -> tuple[ArchivedFile, ...]:
        files: list[ArchivedFile] = []
        with self._open_cursor() as reading, self._open_cursor() as writing:
            for csv in write_csv(reading, file, day.source, self._paths(), deadline):
                try:
                    files.append(self._add(writing, csv, lease, deadline))
                finally:
                    csv.unlink(missing_ok=True)
        return tuple(files)

    def _paths(self) -> Iterator[Path]:
        while True:
            yield self._cache.temporary_path()

    def _add(self, cursor: duckdb.DuckDBPyConnection, csv: Path, lease: Lease, deadline: Deadline) -> ArchivedFile:
        keys = run_in_thread(partial(common_keys, cursor, csv), deadline, cursor)
        name = f"{PREFIX}{uuid4().hex}"

        def write(path: Path) -> None:
            run_in_thread(partial(write_parquet, cursor, csv, path, keys), deadline, cursor)

        self._cache.write(name, write, lease)
        return ArchivedFile(name, tuple(keys))


def is_archived(name: str) -> bool:
    """Whether a file on the local disk is of an archived day."""
    return name.startswith(PREFIX)
