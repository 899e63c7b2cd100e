"""Runs statements in a snapshot, and explains their plans."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import sql

from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import ConnectionPool, attempt
from event_tracker.core.postgres.replication import read_as_of
from event_tracker.query import metrics
from event_tracker.query.stats.sql.explain_plan import Plan, read_plan
from event_tracker.query.stats.sql.statements import QUERIES

Rows = list[Any]
Result = TypeVar("Result")
Statement = tuple[sql.SQL | sql.Composed, dict[str, Any]]

BEGIN = """
set transaction isolation level repeatable read, read only;
lock table only events in access share mode
"""
"""Two statements in one message. The lock doesn't take the snapshot; the first query does."""

TOO_SLOW = (
    "The database took longer than STATEMENT_SECONDS over this question. Narrow `from` and `to`, or select fewer events "
    "by `event_type`."
)


class QueryResult(NamedTuple):
    """The result of a query.

    Attributes:
        as_of: everything that was committed by then is counted.
        plan: None unless `explain` was set.
    """

    as_of: datetime
    rows: Rows
    plan: Plan | None


class QueryRunner:
    """Runs statements. All that belong to one query see one snapshot."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection]) -> None:
        self._pool = pool

    def run(self, name: str, statement: Statement, explain: bool) -> QueryResult:
        """Run a statement. With `explain`, run it once more to explain its plan.

        Raises:
            Problem: 504 if it takes longer than STATEMENT_SECONDS.
        """

        def fetch(connection: psycopg.Connection, as_of: datetime) -> QueryResult:
            text, parameters = statement
            # Not prepared: the session's generic plans don't suit it.
            rows = connection.execute(text, parameters, prepare=False, binary=True).fetchall()
            return QueryResult(as_of, rows, _explain(connection, name, text, parameters) if explain else None)

        return self.in_snapshot(name, fetch)

    def in_snapshot(self, name: str, fetch: Callable[[psycopg.Connection, datetime], Result]) -> Result:
        """Run `fetch` with a connection and the time of the snapshot that all its statements see."""

        def begin(connection: psycopg.Connection) -> Result:
            as_of = read_as_of(connection)
            with connection.transaction():
                # The lock comes before the snapshot. Otherwise a month that is just moved out of the default partition would be missing
                # (cli.database.partitions).
                connection.execute(BEGIN, prepare=False)
                connection.execute(QUERIES["begin"], binary=True)
                return fetch(connection, as_of)

        try:
            with metrics.DB_SECONDS.labels(name).time():
                return attempt(self._pool, begin)
        except psycopg.errors.QueryCanceled:
            raise Problem(504, "statement_timeout", TOO_SLOW) from None


def _explain(
    connection: psycopg.Connection, name: str, statement: sql.SQL | sql.Composed, parameters: dict[str, Any]
) -> Plan:
    explained = sql.SQL("explain (analyze, buffers, format json) {}").format(statement)
    (([plan],),) = connection.execute(explained, parameters, prepare=False, binary=True).fetchall()
    ((partitions,),) = connection.execute(QUERIES["count_partitions"]).fetchall()
    return read_plan(name, plan, partitions)
