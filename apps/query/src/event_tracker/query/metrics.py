"""The query service's metrics; docs/metrics.md lists them."""

from prometheus_client import Counter, Gauge, Histogram

from event_tracker.core.metrics import SECONDS

ROWS_RETURNED = Histogram(
    "query_rows_returned",
    "Events in one answer of GET /events.",
    buckets=(0, 1, 5, 10, 25, 50, 100, 250, 500, 1000),
)
DB_SECONDS = Histogram(
    "query_db_duration_seconds",
    "One question, from the wait for a connection to its rows.",
    ["query"],
    buckets=SECONDS,
)
EXPORTS = Counter(
    "query_exports",
    "Exports by outcome: finished, left (by the client, or because the service stopped), failed.",
    ["format", "outcome"],
)
EVENTS_EXPORTED = Counter("query_events_exported", "Events written by GET /events/export.", ["format"])
LIVE_CLIENTS = Gauge("query_live_clients", "Clients of GET /events/live now.")
LIVE_SENT = Counter("query_live_events", "Events put before clients of GET /events/live, once for each client.")
LIVE_DROPPED = Counter("query_live_events_dropped", "Events that a client of GET /events/live was too slow for.")
SIGN_IN_FAILURES = Counter(
    "query_sign_in_failures",
    "Sign-ins with a wrong password. The audit log has them, too, but not more than 60 a minute.",
)
SQL_STATEMENTS = Counter(
    "query_sql_statements",
    "Statements of POST /sql by outcome: answered, refused, too_large, too_slow, failed.",
    ["outcome"],
)
