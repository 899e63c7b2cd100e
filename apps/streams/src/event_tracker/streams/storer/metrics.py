"""The storer's metrics; docs/metrics.md lists them."""

from prometheus_client import Counter, Gauge, Histogram

from event_tracker.core.metrics import SECONDS

RECORDS = Counter(
    "storer_records",
    "Records by outcome: stored, duplicate, expired (of a time that retention has deleted), dead (kept as a refused event, since it "
    "can't be read or stored), rejection (an event that a collector had refused).",
    ["outcome"],
)
LAG_RECORDS = Gauge(
    "storer_lag_records", "Records of a partition of this storer that aren't stored yet.", ["topic", "partition"]
)
LAG_SECONDS = Gauge(
    "storer_lag_seconds",
    "Of the partition that is behind the most: the age of the newest record that is stored, or the time since all were stored, "
    "whichever is less; after a start, that of the first record that was read. 0 if nothing waits. It also grows while PostgreSQL is "
    "unavailable.",
)
EVENT_LAG = Histogram(
    "storer_event_lag_seconds",
    "From an event's timestamp to its COMMIT; of each batch, its oldest event.",
    buckets=(0.1, 1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400),
)
GROUP_RECORDS = Histogram(
    "storer_group_records",
    "Records stored together.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096),
)
STATEMENT_SECONDS = Histogram("storer_statement_seconds", "Storing one batch, COMMIT included.", buckets=SECONDS)
LINKS_REFUSED = Counter(
    "storer_links_refused", "As `collector_links_refused_total`, of events that came through Kafka.", ["reason"]
)
COMMIT_FAILURES = Counter(
    "storer_offset_commit_failures",
    "Commits of offsets that failed, such as during a rebalance. Nothing is lost: a record that is read again is a duplicate.",
)
REBALANCES = Counter("storer_rebalances", "How often partitions were assigned, revoked or lost.", ["kind"])
ASSIGNED = Gauge("storer_assigned_partitions", "Partitions that this storer reads.")
PAUSED = Gauge(
    "storer_paused",
    "1 while it reads nothing, since PostgreSQL is unavailable or cancels the statement after STATEMENT_SECONDS; 0 otherwise.",
)
LAST_PROGRESS = Gauge(
    "storer_last_progress_timestamp_seconds",
    "When records were last stored, or it was seen that none wait; 0: not yet.",
)
BROKERS_UP = Gauge("storer_brokers_up", "Brokers with a connection.")
ERRORS = Counter("storer_errors", "Errors of Kafka, by librdkafka's name of them.", ["code"])
