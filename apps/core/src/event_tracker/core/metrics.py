"""Metrics of every service. A service declares its own in its own `metrics` module; docs/metrics.md lists them all."""

from typing import Any

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Buckets of every duration; an edge stands at each latency objective (0.25 s collector, 1 s query)."""

HTTP_REQUESTS = Counter("http_requests", "Requests answered.", ["method", "route", "status"])
HTTP_DURATION = Histogram(
    "http_request_duration_seconds",
    "From the request's headers read to its answer made.",
    ["method", "route", "status"],
    buckets=SECONDS,
)
HTTP_IN_PROGRESS = Gauge("http_requests_in_progress", "Requests being answered now.")

DB_POOL_SIZE = Gauge("db_pool_size", "Database connections open.")
DB_POOL_MAX = Gauge("db_pool_max", "Most database connections allowed.")
DB_POOL_IN_USE = Gauge("db_pool_in_use", "Database connections lent out now.")
DB_POOL_WAITING = Gauge(
    "db_pool_waiting",
    "Callers waiting for a database connection; in an outage also those who gave up, until it is over.",
)
DB_ERRORS = Counter(
    "db_errors",
    "Database errors by SQLSTATE class; 08 also stands for a connection lost without one.",
    ["sqlstate_class"],
)
DB_IN_RECOVERY = Gauge("db_in_recovery", "1 on a standby, 0 on a primary.")
DB_STANDBYS_WANTED = Gauge(
    "db_synchronous_standbys_wanted", "Synchronous standbys that a commit waits for (synchronous_standby_names)."
)
DB_STANDBYS = Gauge(
    "db_synchronous_standbys", "Synchronous standbys connected; NaN if the role isn't a member of pg_read_all_stats."
)
DB_REPLAY_LAG = Gauge(
    "db_replay_lag_seconds",
    "On a standby, the age of `as_of`; 0 on a primary. Without pg_read_all_stats it grows while nothing is committed.",
)
DB_DEFAULT_ROWS = Gauge(
    "db_default_partition_rows",
    "Events of months without a partition of their own, as PostgreSQL estimates it: `tracker maintain` moves them.",
)

READY = Gauge("service_ready", "1 while this instance accepts work, as at /readyz; 0 otherwise.")

BUILD_INFO = Gauge("app_build_info", "1, labelled with what is running.", ["service", "version", "revision"])


def watch_pool(pool: Any) -> None:
    """Point the pool gauges at `pool`, a psycopg_pool.ConnectionPool, read at each scrape."""
    stats = pool.get_stats
    DB_POOL_MAX.set(pool.max_size)
    DB_POOL_SIZE.set_function(lambda: stats().get("pool_size", 0))
    DB_POOL_IN_USE.set_function(lambda: stats().get("pool_size", 0) - stats().get("pool_available", 0))
    DB_POOL_WAITING.set_function(lambda: stats().get("requests_waiting", 0))
