"""The publisher's metrics; docs/metrics.md lists them."""

from prometheus_client import Counter, Gauge

RECORDS = Counter("publisher_records", "Records of events that the brokers acknowledged.", ["topic"])
TOMBSTONES = Counter("publisher_tombstones", "Tombstones of erased users that the brokers acknowledged.", ["topic"])
LAG_SECONDS = Gauge(
    "publisher_lag_seconds",
    "Age in seconds of the moment up to which all received events are published. It grows while a transaction holds the mark, and "
    "while PostgreSQL or the brokers are unavailable; 0 where another process of the same name works.",
)
MARK_HELD_SECONDS = Gauge(
    "publisher_mark_held_seconds",
    "Age in seconds of the oldest transaction that may still commit events: what was received since it began isn't published yet. NaN: a "
    "prepared transaction. 0: no such transaction. The log names it.",
)
ACTIVE = Gauge("publisher_active", "1 if it works; 0 while another process of the same name does.")
ERRORS = Counter("publisher_errors", "Errors of Kafka, by librdkafka's name of them.", ["code"])
