"""Reads rows of hours from PostgreSQL into files."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import duckdb
import psycopg
from psycopg import sql

from event_tracker.columns import metrics
from event_tracker.columns.layout import ORDER
from event_tracker.columns.loading.cache import Cache, Lease
from event_tracker.columns.loading.conditions import in_any
from event_tracker.columns.loading.deadline import Deadline
from event_tracker.columns.loading.rows.hours import Hour, HourRows, Hours, hour_of
from event_tracker.columns.loading.rows.pieces import Piece, newer_pieces, whole_pieces
from event_tracker.columns.loading.snapshot import Snapshot
from event_tracker.columns.loading.spans import Span
from event_tracker.columns.loading.threads import run_in_thread
from event_tracker.columns.parquet import ROWS, write_parquet
from event_tracker.columns.rows import copy_statement
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.server.cooperation import TimeSlice

QUERIES = load_queries("event_tracker.columns.loading.rows", "reader.sql")

MAX_FILES = 16
"""Of one hour."""

BUFFER_BYTES = 2**20
CHECK_ROWS = 1000
"""How many rows are copied between two looks at the clock."""

Answer = TypeVar("Answer")


class RowReader:
    """Reads the rows of spans in one snapshot, in pieces. What was read is kept, even if the whole isn't finished in time.

    Args:
        database: a connection that nothing else uses.
        lease: gets the files.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        database: duckdb.DuckDBPyConnection,
        cache: Cache,
        hours: Hours,
        snapshot: Snapshot,
        lease: Lease,
        deadline: Deadline,
    ) -> None:
        self._connection = connection
        self._database = database
        self._cache = cache
        self._hours = hours
        self._snapshot = snapshot
        self._lease = lease
        self._deadline = deadline
        self.rows = 0
        """How many rows were read."""

    def read(self, missing: Sequence[Span]) -> dict[Span, tuple[str, ...]]:
        """Read the rows of spans: first what was added to those of which some are known, then what is unknown.

        Returns:
            The files of each.
        """
        known: dict[Span, HourRows] = {}
        for span in missing:
            rows = self._hours.newest(hour_of(self._snapshot, span))
            if rows and self._lease.take(rows.files):
                known[span] = rows
        read = dict(known)
        for piece in newer_pieces(known):
            self._read_piece(piece, read)
        unread = {span: known[span].until if span in known else span.start for span in missing}
        unread = {span: begin for span, begin in unread.items() if begin < span.end}
        others = [span for span in (*self._snapshot.spans, *self._snapshot.left_out) if span not in unread]
        for piece in whole_pieces(unread, others):
            self._read_piece(piece, read)
        return {span: rows.files for span, rows in read.items()}

    def _read_piece(self, piece: Piece, read: dict[Span, HourRows]) -> None:
        """Read a piece, and add it to what was read of its spans."""
        known = {name for span in piece.spans if span in read for name in read[span].files} if piece.since else set()
        files = self._cache.retry_if_disk_full(lambda: self._read_files(piece, sorted(known)))
        for span in piece.spans:
            before = read[span].files if span in read else ()
            added = (files[span.source],) if span.source in files else ()
            until = min(piece.end, span.end)
            events = span.events if until == span.end else None
            together = self._join_files(hour_of(self._snapshot, span), (*before, *added))
            read[span] = HourRows(events, self._snapshot.oldest, until, together)
            self._hours.add(hour_of(self._snapshot, span), read[span])

    def _join_files(self, hour: Hour, names: tuple[str, ...]) -> tuple[str, ...]:
        """Where an hour has too many files, write the smaller half of those that are its alone into one."""
        if len(names) <= MAX_FILES:
            return names
        own = [name for name in names if self._hours.inside(name) <= {hour}]
        small = sorted(own, key=lambda name: self._cache.path(name).stat().st_size)[: MAX_FILES // 2]
        name = f"rows-{uuid4().hex}"
        join = partial(self._in_thread, partial(self._write_joined, small))
        self._cache.retry_if_disk_full(lambda: self._cache.write(name, join, self._lease))
        return (*(other for other in names if other not in small), name)

    def _write_joined(self, names: list[str], path: Path) -> None:
        given = {"files": [str(self._cache.path(name)) for name in names], "path": str(path)}
        self._database.execute(sql.SQL(QUERIES["join_files"]).format(order=sql.SQL(ORDER)).as_string(), given)

    def _read_files(self, piece: Piece, known: list[str]) -> dict[str, str]:
        """The name of the file of each source that has rows in a piece."""
        csv, together = self._cache.temporary_path(), self._cache.temporary_path()
        try:
            rows = self._copy(piece, csv)
            if not rows:
                return {}
            sources = sorted({span.source for span in piece.spans})
            rows_of, given = ROWS, {"csv": str(csv)}
            if len(sources) > 1:
                # As Parquet they are quicker to read once for each source.
                self._in_thread(partial(write_parquet, self._database, csv, together))
                csv.unlink()
                rows_of, given = sql.Composed([sql.SQL(QUERIES["together"])]), {"file": str(together)}
            names = {}
            for source in sources:
                name = f"rows-{uuid4().hex}"
                spans = [span for span in piece.spans if span.source == source]
                select = partial(self._select, rows_of, given, spans, known)
                if self._cache.write(name, partial(self._in_thread, select), self._lease):
                    names[source] = name
            return names
        finally:
            csv.unlink(missing_ok=True)
            together.unlink(missing_ok=True)

    def _copy(self, piece: Piece, csv: Path) -> int:
        """Copy a piece's rows to a file. Returns how many there are."""
        conditions = sql.SQL("source = any({})").format(sorted({span.source for span in piece.spans}))
        if piece.since is not None:
            conditions += sql.SQL(" and age(xmin) <= age({}::xid8::xid)").format(sql.Literal(str(piece.since)))
        statement = copy_statement(piece.start, piece.end, conditions)
        return copy_csv(self._connection, statement, csv, self._deadline)

    def _select(
        self, rows_of: sql.Composable, file: dict[str, str], spans: list[Span], known: list[str], path: Path
    ) -> bool:
        """Write the rows of one source's spans that aren't in known files. Returns whether there are any.

        Args:
            rows_of: a SELECT from a file, which is its parameter.
        """
        given: dict[str, object] = {**file, "source": spans[0].source, "path": str(path)}
        if known:
            given["known"] = [str(self._cache.path(name)) for name in known]
        statement = sql.SQL(QUERIES["write_rows"]).format(
            rows=rows_of,
            hours=in_any((span.start, span.end) for span in spans),
            unknown=sql.SQL(QUERIES["unknown"] if known else ""),
            order=sql.SQL(ORDER),
        )
        ((rows,),) = self._database.execute(statement.as_string(), given).fetchall()
        metrics.ROWS_READ.inc(rows)
        self.rows += rows
        return bool(rows)

    def _in_thread(self, work: Callable[..., Answer], *given: object) -> Answer:
        return run_in_thread(partial(work, *given), self._deadline, self._database)


def copy_csv(connection: psycopg.Connection, statement: sql.Composed, csv: Path, deadline: Deadline) -> int:
    """Copy a statement's rows to a file, and let other requests be served meanwhile. Returns how many rows there are."""
    rows = 0
    time_slice = TimeSlice()
    with csv.open("wb", buffering=BUFFER_BYTES) as file, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for data in copy:
            file.write(data)
            rows += 1
            time_slice.yield_when_over()
            if rows % CHECK_ROWS == 0:
                deadline.check()
    return rows
