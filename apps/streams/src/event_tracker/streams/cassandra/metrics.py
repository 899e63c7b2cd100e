"""The metrics of the Cassandra relay; docs/metrics.md lists them."""

from prometheus_client import Counter, Gauge

EVENTS = Counter(
    "cassandra_relay_events", "Events that the nodes acknowledged; one that is written again counts again."
)
ERASURES = Counter("cassandra_relay_erasures", "Erased users whose events were deleted from Cassandra.")
LAG_SECONDS = Gauge(
    "cassandra_relay_lag_seconds",
    "For how long it hasn't been seen that all stored events are in Cassandra. It also grows while a transaction holds the mark, and while "
    "PostgreSQL or Cassandra is unavailable; 0 where another process of the same name works.",
)
MARK_HELD_SECONDS = Gauge(
    "cassandra_relay_mark_held_seconds",
    "The age of the oldest transaction that may still commit events, since which nothing is relayed; NaN if it is a prepared one, 0 if "
    "there is none. The log names it.",
)
ACTIVE = Gauge("cassandra_relay_active", "1 if it works; 0 while another process of the same name does.")
ERRORS = Counter(
    "cassandra_relay_errors",
    "Statements that Cassandra didn't acknowledge, by the driver's name of the error.",
    ["error"],
)
