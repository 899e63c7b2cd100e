"""The query service's metrics; docs/metrics.md lists them."""

from prometheus_client import Histogram

from core.metrics import SECONDS

ROWS_RETURNED = Histogram(
    "query_rows_returned",
    "Events in one answer of GET /events.",
    buckets=(0, 1, 5, 10, 25, 50, 100, 250, 500, 1000),
)
DB_SECONDS = Histogram(
    "query_db_duration_seconds",
    "One question to the database, the wait for a connection included.",
    ["query"],
    buckets=SECONDS,
)
