"""Health, on three paths: is the process alive, does it accept work, and does everything it depends on work."""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, LiteralString

import psycopg

from event_tracker.core import metrics
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import UNAVAILABLE, ConnectionPool

APPLIED: LiteralString = "select exists (select from _yoyo_migration where migration_id = %s)"

TAKES_WRITES: LiteralString = "select current_setting('transaction_read_only') = 'off'"
"""What `target_session_attrs=read-write` looks at: false on a standby, and where it is the default of sessions."""

Check = Callable[[], dict[str, Any]]
"""Returns the figures of one part, or raises a Problem."""


class Health:
    """What `/readyz` and `/healthz` answer.

    Readiness latches: 503 until the database was reached once and has `migration`, then 200 until SIGTERM. A later database
    outage doesn't change it: it is worse if all instances leave their load balancer at once than if they answer 503 with
    Retry-After.

    An instance that must write isn't ready while its server takes no writes.

    Args:
        others: further pools, by role; the database must have been reached through each of them.
        writes: whether readiness requires that `pool` can write. The others always write, but readiness doesn't require it:
            the instance is useful without.
        ready: raises a Problem while this instance accepts no work, in place of what was said about the database. It is asked each
            time: nothing latches.
    """

    def __init__(
        self,
        pool: ConnectionPool[psycopg.Connection],
        migration: str,
        checks: dict[str, Check] | None = None,
        others: Mapping[str, ConnectionPool[psycopg.Connection]] | None = None,
        *,
        writes: bool = False,
        ready: Callable[[], None] | None = None,
    ) -> None:
        self.pool = pool
        self.migration = migration
        self.writes = writes
        self.ready = ready
        self.pools = {"database": pool, **(others or {})}
        self.checks: dict[str, Check] = {
            name: partial(_check_version, other, writes=writes or other is not pool)
            for name, other in self.pools.items()
        }
        self.checks |= {"pool": self._pool, **(checks or {})}
        self.draining = threading.Event()
        self._was_ready = False

    def require_ready(self) -> None:
        """Return if this instance accepts work.

        Raises:
            Problem: 503 with the reason.
        """
        if self.draining.is_set():
            raise Problem(503, "draining", "This instance is stopping; another one answers.")
        if self.ready:
            self.ready()
        elif not self._was_ready:
            for name, pool in self.pools.items():
                self._require_schema(name, pool)
            self._was_ready = True

    def is_ready(self) -> bool:
        """Whether this instance accepts work; the metric shows it."""
        try:
            self.require_ready()
        except Problem:
            metrics.READY.set(0)
            return False
        metrics.READY.set(1)
        return True

    def _require_schema(self, name: str, pool: ConnectionPool[psycopg.Connection]) -> None:
        try:
            with pool.connection(timeout=2) as connection:
                (applied,) = connection.execute(APPLIED, [self.migration]).fetchone() or (False,)
                if self.writes:
                    _require_writes(connection)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
            applied = False
        except UNAVAILABLE:
            role = "" if pool is self.pool else f" as the role {name}"
            raise Problem(503, "database_unavailable", f"The database hasn't been reached yet{role}.") from None
        if not applied:
            raise Problem(
                503, "schema_too_old", f"The database lacks migration {self.migration}: run `tracker migrate`."
            )

    def _pool(self) -> dict[str, Any]:
        stats = self.pool.get_stats()
        return {
            "size": stats.get("pool_size", 0),
            "free": stats.get("pool_available", 0),
            "waiting": stats.get("requests_waiting", 0),
        }

    def report(self) -> tuple[bool, dict[str, Any]]:
        """Whether all checks passed; and each check's figures, or why it failed."""
        parts: dict[str, Any] = {}
        for name, check in self.checks.items():
            try:
                parts[name] = {"status": "ok", **check()}
            except Problem as problem:
                parts[name] = {"status": "failing", "code": problem.code}
            except UNAVAILABLE as error:
                parts[name] = {"status": "failing", "code": "database_unavailable", "error": type(error).__name__}
        return all(part["status"] == "ok" for part in parts.values()), parts


def _check_version(pool: ConnectionPool[psycopg.Connection], *, writes: bool) -> dict[str, Any]:
    with pool.connection(timeout=2) as connection:
        (version,) = connection.execute("select current_setting('server_version')").fetchone() or ("?",)
        if writes:
            _require_writes(connection)
    return {"server_version": version}


def _require_writes(connection: psycopg.Connection) -> None:
    """Return if the server takes writes. If not, close the connection, so that the next one can reach the new primary.

    Raises:
        Problem: 503.
    """
    (takes_writes,) = connection.execute(TAKES_WRITES).fetchone() or (False,)
    if not takes_writes:
        connection.close()
        raise Problem(
            503, "database_read_only", "The database takes no writes: it is a standby, or was made read-only."
        )
