"""The state of replication and of the default partition, for `/healthz`, for metrics, and for how recent answers are."""

import math
from datetime import UTC, datetime
from typing import Any

import psycopg
import structlog

from event_tracker.core import metrics
from event_tracker.core.background import BackgroundLoop
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool

log = structlog.get_logger("core.replication")

QUERIES = load_queries("event_tracker.core.postgres", "replication.sql")

POLL_SECONDS = 10.0
"""How often the metrics are set. They aren't read during a scrape: the database may be unavailable."""


def read_as_of(connection: psycopg.Connection) -> datetime:
    """The time up to which everything committed is visible; on a standby, that of what it has replayed.

    Call it before the snapshot of the query is taken: a standby goes on replaying meanwhile.
    """
    ((as_of,),) = connection.execute(QUERIES["as_of"], binary=True).fetchall()
    return as_of  # type: ignore[no-any-return]


class Replication:
    """Watches one server; a background loop sets the metrics.

    Args:
        requires_standbys: whether a server without synchronous standbys, or with too few of them, fails the check.
    """

    def __init__(self, pool: ConnectionPool[psycopg.Connection], *, requires_standbys: bool = False) -> None:
        self._pool = pool
        self._requires_standbys = requires_standbys
        self._loop = BackgroundLoop(
            self._read_state,
            POLL_SECONDS,
            lambda error: log.debug("can't look at replication", error=type(error).__name__),
        )

    def close(self) -> None:
        """Stop."""
        self._loop.close()

    def check(self) -> dict[str, Any]:
        """The figures of `/healthz`.

        Raises:
            Problem: 503 if standbys are required and missing, or can't be seen.
        """
        figures = self._read_state()
        if self._requires_standbys and not figures["in_recovery"]:
            wanted, connected = figures["synchronous_standbys_wanted"], figures["synchronous_standbys"]
            if connected is None:
                raise Problem(503, "standbys_not_visible", "Only members of pg_read_all_stats see standbys.")
            if not wanted or connected < wanted:
                raise Problem(503, "standby_missing", "The database lacks a synchronous standby.")
        return figures

    def _read_state(self) -> dict[str, Any]:
        with self._pool.connection(timeout=2) as connection:
            ((in_recovery, wanted, connected, default_rows),) = connection.execute(
                QUERIES["state"], binary=True
            ).fetchall()
            lag = (datetime.now(UTC) - read_as_of(connection)).total_seconds() if in_recovery else 0.0
        metrics.DB_IN_RECOVERY.set(in_recovery)
        metrics.DB_STANDBYS_WANTED.set(0 if in_recovery else wanted)
        metrics.DB_STANDBYS.set(math.nan if connected is None else connected)
        metrics.DB_REPLAY_LAG.set(lag)
        metrics.DB_DEFAULT_ROWS.set(default_rows)
        if in_recovery:
            return {"in_recovery": True, "replay_lag_seconds": round(lag, 3)}
        return {"in_recovery": False, "synchronous_standbys_wanted": wanted, "synchronous_standbys": connected}
