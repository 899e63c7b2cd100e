"""The importer's metrics; docs/metrics.md lists them."""

from prometheus_client import Counter, Histogram

from event_tracker.core.metrics import SECONDS
from event_tracker.streams.consuming.metrics import ConsumerMetrics

RECORDS = Counter(
    "importer_records",
    "Records by outcome: stored, accepted (by Kafka behind the collector), duplicate, expired (of a time that retention has deleted), "
    "refused (an event that the collector refused, and keeps), unreadable (no JSON object, or too large: the collector keeps its place "
    "and the beginning of it as a refused event), tombstone (without a value, which is left out).",
    ["outcome"],
)
CONSUMER = ConsumerMetrics("importer", done="imported", hindrance="the collector is unavailable or asks to wait")
REQUEST_SECONDS = Histogram(
    "importer_request_seconds", "From a request to the collector until its answer.", buckets=SECONDS
)
COLLECTOR_ERRORS = Counter(
    "importer_collector_errors",
    "Requests that are sent again, by the collector's status; `silence`: without an answer.",
    ["status"],
)
