"""Runs a person's statement: waits for its turn, copies what it reads, and passes it to a process."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from event_tracker.columns.engine import CopyTooLargeError, Deadline, Engine, Selection
from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import ConnectionPool
from event_tracker.query import metrics
from event_tracker.query.auth.audit_writer import write_audit
from event_tracker.query.auth.calls import Call, Sources
from event_tracker.query.auth.principal import QuotaHolder
from event_tracker.query.concurrency import take_turn
from event_tracker.query.identity import Identity
from event_tracker.query.sql.process import Sandboxes
from event_tracker.query.sql.sandbox.messages import Data, Format, Needs, Result, StatementRequest
from event_tracker.query.sql.views import build_tables, list_view_columns, needs_first_seen
from event_tracker.query.stats.parameters import GAP

MAX_BYTES = 16 * 2**20
"""The most bytes of an answer."""

COPY_TOO_LARGE = (
    "The statement reads more than SQL_COPY_BYTES. Narrow `from` and `to`, name the columns that you need instead of `*`, and read "
    "properties by their names: `properties->>'price'`."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlQuery:
    """A statement, and the events that it may read: [start, end) of some sources. `limit` is in rows."""

    statement: str
    sources: Sources
    start: datetime
    end: datetime
    zone: str
    identity: Identity
    limit: int
    format: Format


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlLimits:
    """Limits of each statement: bytes of DuckDB's memory and of the copy of what it reads, threads, seconds from turn to answer."""

    memory: int
    copy: int
    threads: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SqlAnswer:
    """What a statement answered. All that was committed by `as_of` is counted."""

    as_of: datetime
    result: Result
    body: bytes


class SqlDeadline(Deadline):
    """The time of a statement."""

    @staticmethod
    def problem() -> Problem:
        detail = "This statement took longer than SQL_SECONDS. Narrow `from` and `to`, read fewer columns, or aggregate earlier."
        return Problem(504, "statement_timeout", detail)


class SqlRunner:
    """Runs statements.

    Args:
        statement_limit: how many statements run at once, and how many of one person.
        query_limit: how many questions the engine answers at once, those of `/stats` too. A statement takes one of these places while
            its data is copied.
        control: where the audit log is; None if there are no people and no tokens.
        longest: the longest session, in seconds.
    """

    def __init__(
        self,
        engine: Engine,
        sandboxes: Sandboxes,
        statement_limit: ConcurrencyLimit,
        query_limit: ConcurrencyLimit,
        control: ConnectionPool[psycopg.Connection] | None,
        limits: SqlLimits,
        longest: int,
    ) -> None:
        self._engine, self._sandboxes = engine, sandboxes
        self._statement_limit, self._query_limit = statement_limit, query_limit
        self._control, self._limits, self._longest = control, limits, longest

    def run(self, query: SqlQuery, call: Call) -> SqlAnswer:
        """Run a statement when its turn has come.

        Raises:
            Problem: 422 if it is wrong, not allowed, or needs more memory or copies more than it may; 504 if it takes longer than
                SQL_SECONDS; what `take_turn` raises.
        """
        with take_turn(self._statement_limit, call.client):
            self._audit(query, call)
            with _counted(), metrics.DB_SECONDS.labels("sql").time():
                return self._run(query, call.client)

    def close(self) -> None:
        """End the process that is ready."""
        self._sandboxes.close()

    def _run(self, query: SqlQuery, client: QuotaHolder) -> SqlAnswer:
        deadline = SqlDeadline(self._limits.seconds)
        with self._sandboxes.open() as sandbox:
            needs = sandbox.ask(self._request(query), deadline)
            with self._data(query, needs, client, deadline) as (as_of, file):
                result, body = sandbox.run(Data(str(file) if file else None), deadline)
        return SqlAnswer(as_of, result, body)

    def _request(self, query: SqlQuery) -> StatementRequest:
        return StatementRequest(
            statement=query.statement,
            views=list_view_columns(),
            limit=query.limit,
            most_bytes=MAX_BYTES,
            format=query.format,
            memory=self._limits.memory,
            threads=self._limits.threads,
            seconds=self._limits.seconds,
            zone=query.zone,
        )

    @contextmanager
    def _data(
        self, query: SqlQuery, needs: Needs, client: QuotaHolder, deadline: Deadline
    ) -> Iterator[tuple[datetime, Path | None]]:
        """The file with what the statement reads, while it is needed. None if it reads nothing."""
        if not needs.views:
            yield datetime.now(UTC), None
            return
        time_range = query.start, query.end
        tables, properties = build_tables(needs, time_range, query.zone, GAP, self._longest)
        selection = Selection(
            start=query.start,
            end=query.end,
            sources=query.sources,
            first_seen=time_range if needs_first_seen(needs) else None,
            linked=query.identity == "linked",
        )
        most = self._limits.copy
        with take_turn(self._query_limit, client):
            try:
                as_of, file = self._engine.export(
                    selection, tables, deadline, most, properties=properties, question="sql"
                )
            except CopyTooLargeError:
                raise Problem(422, "too_large", COPY_TOO_LARGE) from None
        try:
            yield as_of, file
        finally:
            with suppress(OSError):
                file.unlink()

    def _audit(self, query: SqlQuery, call: Call) -> None:
        """Write the statement into the audit log before it is run."""
        if self._control is None:
            return
        asked: dict[str, Any] = {
            "sql": query.statement,
            "from": query.start.isoformat(),
            "to": query.end.isoformat(),
            "sources": None if query.sources is None else list(query.sources),
            "identity": query.identity,
            "format": query.format,
        }
        write_audit(self._control, call.principal.name, "sql_asked", **asked)


OUTCOMES = {
    "invalid_sql": "refused",
    "sql_not_allowed": "refused",
    "sql_failed": "refused",
    "too_large": "too_large",
    "statement_timeout": "too_slow",
}
"""Code of a problem → the outcome in metrics."""


@contextmanager
def _counted() -> Iterator[None]:
    """Count a statement by its outcome."""
    outcome = "failed"
    try:
        yield
        outcome = "answered"
    except Problem as problem:
        outcome = OUTCOMES.get(problem.code, "failed")
        raise
    finally:
        metrics.SQL_STATEMENTS.labels(outcome).inc()
