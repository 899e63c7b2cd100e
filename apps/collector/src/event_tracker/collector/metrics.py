"""The collector's metrics; docs/metrics.md lists them."""

from prometheus_client import Counter, Gauge, Histogram

from event_tracker.core.metrics import SECONDS

EVENTS = Counter(
    "collector_events",
    "Events by outcome: stored, duplicate, expired (of a time that retention has deleted), accepted (by Kafka), rejected.",
    ["outcome"],
)
PROTOCOL_EVENTS = Counter(
    "collector_protocol_events",
    "Events that came as another client's messages (PROTOCOLS), by protocol and outcome; `collector_events_total` counts them, too, "
    "but for OpenTelemetry's log lines.",
    ["protocol", "outcome"],
)
REJECTED_BY_CODE = Counter("collector_events_rejected_by_code", "Errors found in rejected events, by code.", ["code"])
FLAGGED = Counter(
    "collector_events_flagged",
    "Events taken although they violate their source's schema (mode `warn`), duplicates and expired ones included.",
)
UNCHECKED = Counter(
    "collector_events_unchecked",
    "Events stored without a look at their schema: it is set aside, since checking takes too long, or others' checks took all the time.",
)
SCHEMAS_SET_ASIDE = Counter(
    "collector_schemas_set_aside", "How often a schema was set aside for a minute, since checking took too long."
)
CHECKS_BUSY = Counter(
    "collector_checks_busy",
    "Checks of events that had no turn in time, since others' checks took it all: their requests were answered 503 (mode `enforce`), "
    "or their events stored unchecked (mode `warn`).",
)
LINKS_REFUSED = Counter(
    "collector_links_refused",
    "Stored events that name an id of the same person but link nothing: the id is unusable, reserved (a word such as `null` that "
    "programs send by mistake), or the same.",
    ["reason"],
)
REJECTIONS_KEPT = Counter(
    "collector_rejections_kept",
    "Refused events that were kept, to be looked at and replayed; with Kafka, those that its brokers have acknowledged.",
)
REJECTIONS_DROPPED = Counter(
    "collector_rejections_dropped",
    "Refused events that weren't kept: too many at once, the database (with Kafka: its brokers) was unavailable for too long, "
    "or their user was erased.",
)
REPLAYED = Counter(
    "collector_rejections_replayed", "Refused events tried again, by outcome: stored, duplicate, refused.", ["outcome"]
)
EVENT_LAG = Histogram(
    "collector_event_lag_seconds",
    "From an event's timestamp to its COMMIT; of each statement, its oldest event.",
    buckets=(0.1, 1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400),
)
GROUP_SIZE = Histogram(
    "collector_group_events",
    "Events stored by one statement.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096),
)
STATEMENT_SECONDS = Histogram(
    "collector_statement_duration_seconds", "Storing one group, COMMIT included.", buckets=SECONDS
)
QUEUE_EVENTS = Gauge("collector_queue_events", "Events waiting to be stored, those that are just being read included.")
QUEUE_BOUND = Gauge("collector_queue_bound_events", "Most events that may wait (QUEUE_EVENTS).")
BUFFER_RECORDS = Counter(
    "collector_buffer_records",
    "Records given to Kafka, by outcome: acknowledged, failed (perhaps in the topic all the same).",
    ["outcome"],
)
BUFFER_SECONDS = Histogram(
    "collector_buffer_delivery_seconds",
    "From a request's first record until all of its records are acknowledged.",
    buckets=SECONDS,
)
BUFFER_QUEUE = Gauge("collector_buffer_queue_records", "Records that the brokers haven't acknowledged yet.")
BUFFER_BROKERS = Gauge("collector_buffer_brokers_up", "Brokers of Kafka with a connection; 0 without KAFKA_BROKERS.")
BUFFER_ERRORS = Counter(
    "collector_buffer_errors",
    "Errors of the producer, of its connections and of the topics' checks, by librdkafka's code.",
    ["code"],
)
