"""Brings what a question reads to the local disk."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock
from uuid import UUID

import duckdb
import psycopg
import structlog
from psycopg_pool import ConnectionPool

from event_tracker.columns import metrics
from event_tracker.columns.layout import LAYOUT
from event_tracker.columns.loading.archived.archived_days import count_archived
from event_tracker.columns.loading.archived.reader import LakeReader, is_archived
from event_tracker.columns.loading.cache import Cache, Lease
from event_tracker.columns.loading.deadline import Deadline
from event_tracker.columns.loading.identity.first_seen import FirstSeen
from event_tracker.columns.loading.identity.links import Links, SourceView
from event_tracker.columns.loading.identity.persons import Persons
from event_tracker.columns.loading.identity.shared_tables import SharedTable
from event_tracker.columns.loading.loaded import Loaded
from event_tracker.columns.loading.rows.hours import Hours, hour_of
from event_tracker.columns.loading.rows.reader import RowReader
from event_tracker.columns.loading.snapshot import (
    EARLIEST,
    QUERIES,
    VALID_BLOCKS,
    Selection,
    Snapshot,
    day_of,
    in_snapshot,
    read_history_epochs,
    read_server,
)
from event_tracker.columns.loading.spans import Span
from event_tracker.columns.loading.threads import run_in_thread
from event_tracker.core.server.cooperation import TimeSlice
from event_tracker.core.storage.files import Storage

log = structlog.get_logger("columns")

NUM_ROWS = "select file_name, num_rows from parquet_file_metadata($files)"

WRITTEN_BYTES = 2**18
"""How much is written to disk before other requests may be served."""

SINGLE_FLIGHT_SECONDS = 1.0
"""How long a question waits while another loads, which is often the same: then it loads itself."""


class Loader:
    """Loads blocks and rows into the cache.

    Args:
        open_cursor: a connection to DuckDB that may read and write the cache's folder.
        lake: has events that PostgreSQL has no more; None if such events aren't asked about.
    """

    def __init__(
        self,
        pool: ConnectionPool[psycopg.Connection],
        open_cursor: Callable[[], duckdb.DuckDBPyConnection],
        cache: Cache,
        lake: Storage | None = None,
    ) -> None:
        self._pool = pool
        self._open_cursor = open_cursor
        self._cache = cache
        self.hours = Hours()
        self.links = Links(open_cursor, cache)
        self._first_seen = FirstSeen(open_cursor, cache)
        self.lake = LakeReader(lake, open_cursor, cache) if lake else None
        self._loading = Lock()

    def load(self, selection: Selection, lease: Lease, deadline: Deadline) -> Loaded:
        """Load what a selection holds. The connection is returned before this does.

        Args:
            lease: gets the files.
        """

        def find(connection: psycopg.Connection, snapshot: Snapshot) -> Loaded | None:
            files = self._find(snapshot, lease)
            if len(files) == len(snapshot.spans):
                return add_users(connection, Loaded(snapshot, files))
            # Nobody waits for a lock in a snapshot.
            if not self._loading.acquire(blocking=False):
                return None
            try:
                return fetch(connection, snapshot)
            finally:
                self._loading.release()

        def fetch(connection: psycopg.Connection, snapshot: Snapshot) -> Loaded:
            return add_users(connection, self._fetch(connection, snapshot, lease, deadline))

        def add_users(connection: psycopg.Connection, loaded: Loaded) -> Loaded:
            persons, links = self._read_links(connection, loaded.snapshot, selection, deadline)
            users = self._read_first_seen(connection, loaded.snapshot, selection, persons, deadline)
            return loaded._replace(fingerprint=loaded.snapshot.fingerprint_with(links), persons=persons, users=users)

        reads_lake = self.lake is not None
        found = in_snapshot(self._pool, selection, deadline, find, reads_lake=reads_lake)
        if found is None:
            with self._single_flight():
                found = in_snapshot(self._pool, selection, deadline, fetch, reads_lake=reads_lake)
        return self._add_archived(found, lease, deadline)

    def _add_archived(self, loaded: Loaded, lease: Lease, deadline: Deadline) -> Loaded:
        """Load what only the lake has. Its files of the snapshot's state say the same at any time, so no connection is held meanwhile."""
        state = loaded.snapshot.archived
        if self.lake is None or state is None or not state.days:
            return loaded
        archived = self.lake.find(state, lease)
        if len(archived) < len(state.days):
            with self._single_flight():
                archived = self.lake.load(state, lease, deadline)
        return loaded._replace(archived=archived)

    def read_persons(
        self, connection: psycopg.Connection, sources: Sequence[str] | None, deadline: Deadline
    ) -> Persons | None:
        """The persons for a viewer of some sources, in the snapshot of a connection."""
        server, oldest = read_server(connection, deadline)
        return self.links.read(connection, server, oldest, sources, deadline).persons

    def read_fingerprint(
        self, connection: psycopg.Connection, snapshot: Snapshot, selection: Selection, deadline: Deadline
    ) -> bytes:
        """`Loaded.fingerprint`, of a snapshot whose events aren't loaded."""
        return snapshot.fingerprint_with(self._read_links(connection, snapshot, selection, deadline).fingerprint)

    def forget(self, names: Sequence[str]) -> None:
        """Forget files that can't be read."""
        self._cache.delete(names)
        self.hours.forget(names)
        if self.lake:
            self.lake.forget(set(names))

    def forget_tables(self) -> None:
        """Forget what is in DuckDB's memory, since its database is gone."""
        self.links.forget_all()
        self._first_seen.forget_all()

    def forget_erased(self) -> None:
        """Delete the files of blocks and events that PostgreSQL doesn't have any more, and those that nothing refers to."""
        names = self._cache.names
        ids = [name for name in names if not is_rows(name) and not is_archived(name)]
        with self._pool.connection() as connection:
            ((server, *_),) = connection.execute(QUERIES["server"], {"milliseconds": 0}, binary=True)
            self.links.forget_deleted(connection, server)
            self._first_seen.forget_changed(server, read_history_epochs(connection), self.links.tables_of_persons())
            left = {str(id) for (id,) in connection.execute(QUERIES["remaining_blocks"], {"ids": ids}, binary=True)}
            epochs = {(source, day): epoch for source, day, epoch in connection.execute(QUERIES["epochs"], binary=True)}
            archived = self.lake.forget_erased(connection) if self.lake else set()
        erased = {*(set(ids) - left), *self.hours.erased(server, epochs), *archived}
        metrics.FILES_ERASED.inc(len(erased))
        self.forget([*erased, *self.hours.unused()])
        # Those that were evicted; and those of questions that ended before the hours in them were known.
        kept = set(self._cache.names)
        self.hours.forget(self.hours.names() - kept)
        self._cache.delete({name for name in kept if is_rows(name)} - self.hours.names() - self._cache.in_use)

    def count_blocks(self) -> None:
        """Set the metrics of blocks."""
        everything = {"start": EARLIEST, "end": datetime.now(UTC), "sources": None, "layout": LAYOUT}
        with self._pool.connection() as connection, connection.transaction():
            connection.execute(QUERIES["begin"], prepare=False)
            spans = connection.execute(VALID_BLOCKS, everything, binary=True).fetchall()
            counted = connection.execute(QUERIES["count_blocks"], everything, binary=True).fetchall()
            if self.lake:
                days, erasures = count_archived(connection)
                metrics.ARCHIVED_FILES.set(days)
                metrics.WAITING_ERASURES.set(erasures)
        blocks = {(source, day): count for source, day, count in counted}
        valid = sum(span[3] is not None for span in spans)
        metrics.BLOCKS.labels("valid").set(valid)
        metrics.BLOCKS.labels("stale").set(sum(blocks.values()) - valid)
        today = day_of(datetime.now(UTC))
        over = {(source, day_of(start)) for source, start, *_ in spans if start < today}
        metrics.MISSING_BLOCKS.set(len(over - blocks.keys()))

    @contextmanager
    def _single_flight(self) -> Iterator[None]:
        acquired = self._loading.acquire(timeout=SINGLE_FLIGHT_SECONDS)
        try:
            yield
        finally:
            if acquired:
                self._loading.release()

    def _find(self, snapshot: Snapshot, lease: Lease) -> dict[Span, tuple[str, ...]]:
        """The files of the spans that are on the local disk. The lease has them then."""
        found = {}
        for span in snapshot.spans:
            names: tuple[str, ...] | None
            if span.id is not None:
                names = (str(span.id),)
            else:
                known = self.hours.find(hour_of(snapshot, span), span.events)
                names = known.files if known else None
            if names is not None and lease.take(names):
                found[span] = names
        return found

    def _fetch(self, connection: psycopg.Connection, snapshot: Snapshot, lease: Lease, deadline: Deadline) -> Loaded:
        files = self._find(snapshot, lease)
        missing = [span for span in snapshot.spans if span not in files]
        blocks = {span.id: span for span in missing if span.id is not None}
        fetched = self._fetch_blocks(connection, blocks, lease, deadline) if blocks else set()
        rows = [span for span in missing if span.id not in fetched]
        with self._open_cursor() as cursor:
            reader = RowReader(connection, cursor, self._cache, self.hours, snapshot, lease, deadline)
            read = reader.read(rows)
        fresh = {span: (str(span.id),) for span in missing if span.id in fetched}
        return Loaded(snapshot, files | fresh | read, blocks_fetched=len(fetched), rows_read=reader.rows)

    def _fetch_blocks(
        self, connection: psycopg.Connection, blocks: dict[UUID, Span], lease: Lease, deadline: Deadline
    ) -> set[UUID]:
        """Fetch blocks, one after the other. Returns those that can be read."""
        fetched = set()
        with connection.cursor(binary=True) as cursor:
            for block, parquet in cursor.stream(QUERIES["fetch_blocks"], {"ids": list(blocks)}):
                deadline.check()
                add = partial(self._cache.write, str(block), partial(_write_file, parquet), lease)
                if self._cache.retry_if_disk_full(add):
                    fetched.add(block)
                metrics.BLOCKS_FETCHED.inc()
                metrics.BYTES_FETCHED.inc(len(parquet))
        wrong = run_in_thread(lambda: self._unreadable({id: blocks[id].events for id in fetched}), deadline)
        if wrong:
            log.warning("blocks can't be read", blocks=[str(id) for id in wrong])
            self.forget([str(id) for id in wrong])
        return fetched - wrong

    def _unreadable(self, blocks: dict[UUID, int]) -> set[UUID]:
        """Those of some blocks that aren't Parquet of so many events."""
        with self._open_cursor() as cursor:
            try:
                return self._miscounted(cursor, blocks)
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error:
                return {id for id, events in blocks.items() if self._is_unreadable(cursor, id, events)}

    def _is_unreadable(self, cursor: duckdb.DuckDBPyConnection, block: UUID, events: int) -> bool:
        try:
            return bool(self._miscounted(cursor, {block: events}))
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            return True

    def _miscounted(self, cursor: duckdb.DuckDBPyConnection, blocks: dict[UUID, int]) -> set[UUID]:
        paths = {str(self._cache.path(str(id))): id for id in blocks}
        found = cursor.execute(NUM_ROWS, {"files": list(paths)}).fetchall() if paths else []
        counted = {paths[path]: rows for path, rows in found}
        return {id for id, events in blocks.items() if counted.get(id) != events}

    def _read_links(
        self, connection: psycopg.Connection, snapshot: Snapshot, selection: Selection, deadline: Deadline
    ) -> SourceView:
        if not selection.linked:
            return SourceView(None, "")
        return self.links.read(connection, snapshot.server, snapshot.oldest, selection.sources, deadline)

    def _read_first_seen(
        self,
        connection: psycopg.Connection,
        snapshot: Snapshot,
        selection: Selection,
        persons: Persons | None,
        deadline: Deadline,
    ) -> list[SharedTable] | None:
        """The users first seen in the range, by all sources."""
        if selection.first_seen is None or snapshot.history is None:
            return None
        return self._first_seen.read(
            connection, snapshot.server, snapshot.history, selection.first_seen, persons, deadline
        )


def is_rows(name: str) -> bool:
    """Whether a file has rows of hours: the others have a block each, and its id as their name."""
    return name.startswith("rows-")


def _write_file(content: bytes, path: Path) -> None:
    time_slice = TimeSlice()
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(content), WRITTEN_BYTES):
            file.write(content[start : start + WRITTEN_BYTES])
            time_slice.yield_when_over()
