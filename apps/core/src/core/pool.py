"""The pool of database connections, and which of its errors mean that the database is away."""

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from core import metrics

__all__ = ["AWAY", "ConnectionPool", "open_pool"]

AWAY = (psycopg.OperationalError, PoolTimeout, PoolClosed, TooManyRequests)
"""Raised when PostgreSQL can't be reached or can't go on (shut down, out of space, out of connections)."""

CONNECT_SECONDS = 3
"""One attempt to connect: shorter than any request's deadline."""

RECONNECT_SECONDS = 5.0
"""The pool doubles its wait between attempts and gives up here; the next request that needs a connection starts anew at
one second. Its own default of five minutes would leave a service waiting for minutes after the database is back."""


def _report(error: psycopg.Error) -> None:
    metrics.DB_ERRORS.labels((error.sqlstate or "08")[:2]).inc()


def open_pool(
    database_url: str, *, name: str, size: int, timeout: float, options: dict[str, str]
) -> ConnectionPool[psycopg.Connection]:
    """Open a pool of autocommit connections; it returns at once, whether or not the database answers.

    Args:
        name: application_name in pg_stat_activity.
        size: the most connections.
        timeout: seconds to wait for a free connection before PoolTimeout.
        options: session settings, such as statement_timeout.
    """
    session = " ".join(f"-c {key}={value}" for key, value in {"timezone": "UTC", **options}.items())
    given = psycopg.conninfo.conninfo_to_dict(database_url).get("options") or ""
    pool: ConnectionPool[psycopg.Connection] = ConnectionPool(
        database_url,
        min_size=1,
        max_size=size,
        timeout=timeout,
        reconnect_timeout=RECONNECT_SECONDS,
        name=name,
        kwargs={
            "autocommit": True,
            "prepare_threshold": 0,
            "application_name": name,
            "connect_timeout": CONNECT_SECONDS,
            "options": f"{given} {session}".strip(),
        },
        open=True,
    )
    metrics.watch_pool(pool)
    return pool
