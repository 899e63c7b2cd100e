"""Asks questions about events in columns."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import duckdb
import msgspec
import psycopg
import structlog
from psycopg import sql
from psycopg_pool import ConnectionPool

from event_tracker.columns import metrics
from event_tracker.columns.database import measure, open_database
from event_tracker.columns.loading.cache import Cache, Lease, is_disk_full
from event_tracker.columns.loading.conditions import Range
from event_tracker.columns.loading.deadline import Deadline
from event_tracker.columns.loading.identity.persons import Persons
from event_tracker.columns.loading.loaded import Loaded
from event_tracker.columns.loading.loader import Loader
from event_tracker.columns.loading.plan import EnginePlan, make_plan
from event_tracker.columns.loading.relations import Relations
from event_tracker.columns.loading.snapshot import Selection, Snapshot, in_snapshot
from event_tracker.columns.loading.spans import Sample
from event_tracker.columns.loading.tables import CopyTooLargeError, Table, copy_tables, create_temporary
from event_tracker.columns.loading.threads import run_in_thread
from event_tracker.columns.question import QuestionStatement, Result
from event_tracker.core.http.errors import Problem
from event_tracker.core.storage.opening import open_storage

__all__ = [
    "CopyTooLargeError",
    "Deadline",
    "Engine",
    "EnginePlan",
    "Persons",
    "Range",
    "Result",
    "Sample",
    "Selection",
    "Table",
]

Answer = TypeVar("Answer")

TOO_LARGE = (
    "This question needs more memory than ANALYTICS_MEMORY_BYTES gives all questions together. Narrow `from` and `to`, select fewer "
    "events by `event_type`, or ask again when fewer questions are asked at once."
)

STATEMENT_ERRORS = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.PermissionException,
    duckdb.DataError,
)
"""What DuckDB raises for a statement. For files that are gone or torn it raises nearly anything else."""


FATAL = (duckdb.InternalException, duckdb.FatalException)
"""Errors of DuckDB itself, after which its database answers nothing any more."""

log = structlog.get_logger("columns")


class Engine:
    """Runs questions, each in one snapshot of PostgreSQL.

    A statement is DuckDB's SQL. It reads the relation `events`, which has the columns of layout.COLUMNS and holds the selection's
    events, and `sent_id`: the id that an event was sent with, where `user_id` is the person (Selection.linked). Where the selection says
    so, there are also `all_events`, with the events of a wider range, and `first_seen` (user_id, first_seen): the users who were first
    seen in a range (docs/definitions.md), over all sources or by the selection's alone. Of a selection with a sample, `events` holds the
    sample's, and `own_names` (name, events) has the properties with a column of their own in some block, in the sample or not.

    Args:
        folder: of the cache. It is made if it isn't there.
        cache_bytes: the most that is kept there by this process: three quarters in files, one in what DuckDB spills.
        memory_bytes: the most memory of all questions together.
        threads: the most threads of all questions together.
        seconds: how long a question may take.
        lake: a folder or `s3://bucket/prefix` that has events which PostgreSQL has no more (docs/lake.md). With it questions are
            answered over these, too.
    """

    def __init__(
        self,
        pool: ConnectionPool[psycopg.Connection],
        folder: Path,
        *,
        cache_bytes: int = 2**32,
        memory_bytes: int = 2**29,
        threads: int = 2,
        seconds: float = 5.0,
        lake: str = "",
    ) -> None:
        self._pool = pool
        self._seconds = seconds
        self._cache = Cache(folder, cache_bytes // 4 * 3)
        self._open = partial(
            open_database, self._cache.folder, memory_bytes=memory_bytes, spill_bytes=cache_bytes // 4, threads=threads
        )
        self._database = self._open()
        files = open_storage(lake, attempts=3, connect_seconds=3, read_seconds=30) if lake else None
        self._loader = Loader(pool, self._cursor, self._cache, files)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete what is on the local disk."""
        self._database.close()
        self._cache.close()

    def run(
        self,
        selection: Selection,
        statement: str,
        parameters: dict[str, Any],
        *,
        properties: Sequence[str] = (),
        tables: Sequence[Table] = (),
        question: str = "other",
        explain: bool = False,
    ) -> Result:
        """Run a statement with its named parameters ($name).

        Args:
            properties: those that the statement reads, from columns of `events` named `property_0` and so on: texts in their normal form
                (event_tracker.columns.properties). They are read much quicker than from the JSON in `properties`.
            tables: those that the statement also reads. Their own statements read the same relations.
            question: its name, for metrics.
            explain: whether to run it once more, to explain its plan.

        Raises:
            Problem: 504 if it takes too long, 503 if memory or disk don't suffice, or the lake can't be read.
        """
        asked = QuestionStatement(statement, parameters, properties, tables, question, explain)
        return self._try_twice(partial(self._run, selection, asked, Deadline(self._seconds)))

    def export(
        self,
        selection: Selection,
        tables: Sequence[Table],
        deadline: Deadline,
        most_bytes: int,
        *,
        properties: Sequence[str] = (),
        question: str = "other",
    ) -> tuple[datetime, Path]:
        """Copy what statements select into a file of DuckDB, a table each, for a database that sees nothing else.

        Args:
            most_bytes: of the file. `properties` and `question` are as for `run`.

        Returns:
            The `as_of`, and the file, which the caller deletes.

        Raises:
            Problem: as `run`.
            CopyTooLargeError: if the file would be larger.
        """
        return self._try_twice(partial(self._export, selection, tables, deadline, most_bytes, properties, question))

    def fingerprint(self, selection: Selection) -> tuple[datetime, bytes]:
        """The `as_of` and the fingerprint of what a selection reads: a question with the same fingerprint has the same rows.

        Raises:
            Problem: as `run`.
        """
        deadline = Deadline(self._seconds)

        def read(connection: psycopg.Connection, snapshot: Snapshot) -> tuple[datetime, bytes]:
            return snapshot.as_of, self._loader.read_fingerprint(connection, snapshot, selection, deadline)

        reads_lake = self._loader.lake is not None
        take = partial(in_snapshot, self._pool, selection, deadline, read, reads_lake=reads_lake)
        return self._try_twice(lambda _: take())

    def with_persons(
        self,
        connection: psycopg.Connection,
        sources: Sequence[str] | None,
        deadline: Deadline,
        work: Callable[[Persons | None], Answer],
    ) -> Answer:
        """Call `work` with the persons for a viewer of some sources (None is all), in the snapshot of a connection; with None if
        nobody has two ids. It is called once more, with the persons as they were read again, if DuckDB has failed.

        Raises:
            Problem: as `run`.
        """
        return self._try_twice(lambda _: work(self._loader.read_persons(connection, sources, deadline)))

    def refresh(self) -> None:
        """Delete what PostgreSQL doesn't have any more from the local disk, and set the metrics. Call it again and again."""
        self._loader.forget_erased()
        self._loader.count_blocks()
        memory, spilled = measure(self._database)
        metrics.MEMORY_BYTES.set(memory)
        metrics.SPILLED_BYTES.set(spilled)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        return self._database.cursor()

    def _try_twice(self, work: Callable[[Lease], Answer]) -> Answer:
        """Call a function with a lease of the files that it reads; once more if DuckDB can't read them, or has failed."""
        attempt = partial(self._try, work)
        database = self._database
        try:
            return self._cache.retry_if_disk_full(attempt)
        except duckdb.Error as error:
            # If the database was replaced meanwhile, since another question has found that it has failed, tables are gone.
            if isinstance(error, STATEMENT_ERRORS) and self._database is database:
                raise
            # Its message may quote what users sent.
            log.warning("files are read again", error=type(error).__name__)
        return self._cache.retry_if_disk_full(attempt)

    def _try(self, work: Callable[[Lease], Answer]) -> Answer:
        lease = Lease(self._cache)
        try:
            return work(lease)
        except duckdb.OutOfMemoryException:
            raise Problem(503, "too_large", TOO_LARGE) from None
        except STATEMENT_ERRORS:
            raise
        except duckdb.Error as error:
            if not is_disk_full(error):
                self._loader.forget(sorted(lease.names))
            if isinstance(error, FATAL):
                self._database = self._open()
                self._loader.forget_tables()
            raise
        finally:
            lease.end()

    def _run(self, selection: Selection, question: QuestionStatement, deadline: Deadline, lease: Lease) -> Result:
        began = time.perf_counter()
        loaded = self._loader.load(selection, lease, deadline)
        metrics.LOAD_SECONDS.observe(time.perf_counter() - began)
        result = self._ask(selection, loaded, question, deadline)
        metrics.QUESTION_SECONDS.labels(question.name, loaded.path).observe(time.perf_counter() - began)
        return result

    def _export(
        self,
        selection: Selection,
        tables: Sequence[Table],
        deadline: Deadline,
        most_bytes: int,
        properties: Sequence[str],
        question: str,
        lease: Lease,
    ) -> tuple[datetime, Path]:
        began = time.perf_counter()
        loaded = self._loader.load(selection, lease, deadline)
        metrics.LOAD_SECONDS.observe(time.perf_counter() - began)
        with self._cursor() as cursor:
            relations = Relations(cursor, self._cache, self._loader.hours, selection, loaded, properties)
            file = copy_tables(cursor, relations, tables, self._cache.folder, deadline, most_bytes)
        metrics.QUESTION_SECONDS.labels(question, loaded.path).observe(time.perf_counter() - began)
        return loaded.snapshot.as_of, file

    def _ask(self, selection: Selection, loaded: Loaded, question: QuestionStatement, deadline: Deadline) -> Result:
        with self._cursor() as cursor:
            relations = Relations(cursor, self._cache, self._loader.hours, selection, loaded, question.properties)

            def work() -> Result:
                relations.create()
                began = time.perf_counter()
                for table in question.tables:
                    cursor.execute(create_temporary(table), table.parameters)
                rows = cursor.execute(question.statement, question.parameters).fetchall()
                seconds = time.perf_counter() - began
                plan = make_plan(loaded, seconds, _explain(cursor, question)) if question.explain else None
                archived = loaded.snapshot.archived
                complete_from = archived.complete_from if archived else None
                return Result(loaded.snapshot.as_of, loaded.fingerprint, rows, plan, complete_from)

            return run_in_thread(work, deadline, cursor)


def _explain(cursor: duckdb.DuckDBPyConnection, question: QuestionStatement) -> Any:
    statement = sql.SQL(question.statement)
    explained = sql.SQL("explain (analyze, format json) {}").format(statement).as_string()
    ((_, plan),) = cursor.execute(explained, question.parameters).fetchall()
    return msgspec.json.decode(plan)
