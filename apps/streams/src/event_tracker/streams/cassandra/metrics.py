"""The metrics of the Cassandra relay; docs/metrics.md lists them."""

from prometheus_client import Counter, Gauge

EVENTS = Counter(
    "cassandra_relay_events", "Events that the nodes acknowledged; one that is written again counts again."
)
ERASURES = Counter("cassandra_relay_erasures", "Erased users whose events were deleted from Cassandra.")
LAG_SECONDS = Gauge(
    "cassandra_relay_lag_seconds",
    "Age in seconds of the moment up to which all received events are in Cassandra. It grows while a transaction holds the mark, and "
    "while PostgreSQL or Cassandra is unavailable; 0 where another process of the same name works.",
)
MARK_HELD_SECONDS = Gauge(
    "cassandra_relay_mark_held_seconds",
    "Age in seconds of the oldest transaction that may still commit events: what was received since it began isn't relayed yet. NaN: a "
    "prepared transaction. 0: no such transaction. The log names it.",
)
ACTIVE = Gauge("cassandra_relay_active", "1 if it works; 0 while another process of the same name does.")
ERRORS = Counter(
    "cassandra_relay_errors",
    "Statements that Cassandra didn't acknowledge, by the driver's name of the error.",
    ["error"],
)
