"""The pool of database connections, how statements are run on it, and which errors mean that the database is unavailable."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
import structlog
from psycopg import generators
from psycopg._preparing import Prepare
from psycopg.abc import Params, PQGen, Query
from psycopg.pq import ExecStatus
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from event_tracker.core import metrics

__all__ = [
    "READ_ONLY",
    "UNAVAILABLE",
    "ConnectionPool",
    "Row",
    "UnreplicatedError",
    "attempt",
    "execute",
    "fetch_within",
    "is_connection_lost",
    "open_pool",
]

log = structlog.get_logger("core.pool")

Result = TypeVar("Result")
Row = tuple[Any, ...]


class UnreplicatedError(Exception):
    """PostgreSQL committed, but its wait for a synchronous standby was ended before the standby confirmed."""


READ_ONLY = psycopg.errors.ReadOnlySqlTransaction
"""Raised for a write where the server takes none: a standby, or a primary that was made read-only."""

FAILING_OVER = (READ_ONLY, psycopg.errors.InternalError_)
"""Raised by a server that may no longer be the primary, or is failing: its connections must be closed."""

UNAVAILABLE = (psycopg.OperationalError, PoolTimeout, PoolClosed, TooManyRequests, *FAILING_OVER, UnreplicatedError)
"""Raised when PostgreSQL can't be reached or can't go on (shut down, out of space, out of connections, read-only)."""

WAITS_FOR_STANDBY = "SyncRepWaitForLSN"
"""The function of PostgreSQL that warns when a commit's wait for a synchronous standby was ended. The warning has no SQLSTATE."""

CONNECT_SECONDS = 3
"""The time-out of one attempt to connect: shorter than any request's deadline."""

RECONNECT_SECONDS = 5.0
"""The pool doubles its wait between attempts and gives up after this time. The next request that needs a connection starts
again at one second. With the default of five minutes a service would wait for minutes after the database is back."""

ROWS = 32
"""Rows of a stream received at once: with fewer it is slower; with more it takes more memory where rows are large."""


def open_pool(
    database_url: str,
    *,
    name: str,
    size: int,
    timeout: float,
    options: dict[str, str],
    watched: bool = True,
    max_lifetime_seconds: float = 3600.0,
) -> ConnectionPool[psycopg.Connection]:
    """Open a pool of autocommit connections. It returns at once, even if the database is unavailable.

    Args:
        name: application_name in pg_stat_activity.
        size: the most connections.
        timeout: seconds to wait for a free connection before PoolTimeout.
        options: session settings, such as statement_timeout.
        watched: whether the pool metrics show this one; only one pool of a process can be watched.
        max_lifetime_seconds: after this a connection is replaced, when it is given back.
    """
    session = " ".join(f"-c {key}={value}" for key, value in {"timezone": "UTC", **options}.items())
    url_options = psycopg.conninfo.conninfo_to_dict(database_url).get("options") or ""
    pool = _Pool(
        database_url,
        min_size=1,
        max_size=size,
        timeout=timeout,
        max_lifetime=max_lifetime_seconds,
        reconnect_timeout=RECONNECT_SECONDS,
        name=name,
        kwargs={
            "autocommit": True,
            "prepare_threshold": 0,
            "application_name": name,
            "connect_timeout": CONNECT_SECONDS,
            "options": f"{url_options} {session}".strip(),
        },
        open=True,
    )
    if watched:
        metrics.watch_pool(pool)
    return pool


class _Pool(ConnectionPool[psycopg.Connection]):
    """Closes connections to a server that fails over, so that the next one reaches the new primary."""

    @contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[psycopg.Connection]:
        """Lend a connection.

        Raises:
            UnreplicatedError: the work is committed, but may be lost if the primary is lost.
        """
        unreplicated = []

        def listen(notice: psycopg.errors.Diagnostic) -> None:
            if notice.source_function == WAITS_FOR_STANDBY:
                unreplicated.append(notice.message_primary)

        with super().connection(timeout) as connection:
            connection.add_notice_handler(listen)
            try:
                yield connection
            except FAILING_OVER as error:
                # It may also be a bug of ours, which nothing else would report.
                log.warning("a connection is dropped", sqlstate=error.sqlstate, error=error.diag.message_primary)
                connection.close()
                raise
            finally:
                connection.remove_notice_handler(listen)
        if unreplicated:
            log.warning("committed, but perhaps on no standby", warning=unreplicated[0])
            raise UnreplicatedError


def execute(
    pool: ConnectionPool[psycopg.Connection],
    statement: LiteralString | bytes,
    parameters: dict[str, Any],
    *,
    prepare: bool = True,
) -> list[Any]:
    """Run one statement that may safely be run twice, and fetch its rows; values are sent in binary.

    Args:
        prepare: whether the connection keeps the plan.
    """
    return attempt(
        pool, lambda connection: connection.execute(statement, parameters, prepare=prepare, binary=True).fetchall()
    )


def fetch_within(
    pool: ConnectionPool[psycopg.Connection],
    statement: bytes,
    parameters: dict[str, Any],
    *,
    most_bytes: int,
    sized: int,
    prepare: bool = True,
) -> tuple[list[Row], bool]:
    """Run one statement that may safely be run twice; values are sent in binary.

    Args:
        sized: the index of the column whose text or bytes are counted.
        prepare: whether the connection keeps the plan.

    Returns:
        The first rows, up to so many bytes but at least one if there is any; and whether these are all. If not, the statement
        is cancelled: PostgreSQL doesn't make the other rows, and none of them waits in memory.
    """

    def fetch(connection: psycopg.Connection) -> tuple[list[Row], bool]:
        rows: list[Row] = []
        left = most_bytes
        cursor = (PreparedStream if prepare else psycopg.Cursor[Row])(connection)
        arriving = cursor.stream(statement, parameters, binary=True, size=ROWS)
        try:
            for row in arriving:
                left -= len(row[sized])
                if left < 0 and rows:
                    return rows, False
                rows.append(row)
        finally:
            arriving.close()  # type: ignore[attr-defined]  # it is a generator, which ends the statement
        return rows, True

    return attempt(pool, fetch)


def attempt(pool: ConnectionPool[psycopg.Connection], work: Callable[[psycopg.Connection], Result]) -> Result:
    """Run `work` with a connection. It must be safe to run twice.

    If the connection was lost, the pool's connections are checked and `work` runs once more: PostgreSQL may have been
    restarted.
    """
    try:
        with pool.connection() as connection:
            return work(connection)
    except psycopg.Error as error:
        metrics.DB_ERRORS.labels((error.sqlstate or "08")[:2]).inc()
        if isinstance(error, PoolTimeout) or not is_connection_lost(error):
            raise
    pool.check()
    with pool.connection() as connection:
        return work(connection)


class PreparedStream(psycopg.Cursor[Row]):
    """A cursor whose `stream` prepares statements, as `execute` does: psycopg's own has PostgreSQL plan each statement again."""

    def _stream_send_gen(
        self, query: Query, params: Params | None = None, *, binary: bool | None = None, size: int
    ) -> PQGen[None]:
        yield from self._start_query(query)
        converted = self._convert_query(query, params)
        prepared, name = self._get_prepared(converted, True)
        if prepared is Prepare.SHOULD:
            self._send_prepare(name, converted)
            (result,) = yield from generators.execute(self._pgconn)
            if result.status == ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(result)
            key = self._conn._prepared.maybe_add_to_cache(converted, prepared, name)
            if key is not None:
                self._conn._prepared.validate(key, prepared, name, [result])
        self._send_query_prepared(name, converted, binary=binary)
        self._pgconn.set_chunked_rows_mode(size)
        yield from generators.send(self._pgconn)


def is_connection_lost(error: psycopg.Error) -> bool:
    """True if there is no connection, or it ended: without a SQLSTATE, by a shutdown of PostgreSQL (57P..), or on the network (08...)."""
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
