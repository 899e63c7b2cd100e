"""The storer's metrics; docs/metrics.md lists them."""

from prometheus_client import Counter, Histogram

from event_tracker.core.metrics import SECONDS
from event_tracker.streams.consuming.metrics import ConsumerMetrics

RECORDS = Counter(
    "storer_records",
    "Records by outcome: stored, duplicate, expired (of a time that retention has deleted), dead (kept as a refused event, since it "
    "can't be read or stored), rejection (an event that a collector had refused), erased (left out, since its user was erased after it "
    "was written).",
    ["outcome"],
)
CONSUMER = ConsumerMetrics(
    "storer",
    done="stored",
    hindrance="PostgreSQL is unavailable, or cancels the statement after STATEMENT_SECONDS",
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
