"""Metrics of `tracker s3`; docs/metrics.md lists them."""

from prometheus_client import Counter, Gauge

OBJECTS = Counter(
    "tracker_s3_objects",
    "Objects by outcome: read, passed_over (they can't be read), gone (deleted before).",
    ["outcome"],
)
LINES = Counter("tracker_s3_lines", "Lines read.")
EVENTS = Counter(
    "tracker_s3_events",
    "Lines by outcome: stored, duplicate, accepted (by Kafka), expired, left_out (their kind isn't stored), rejected.",
    ["outcome"],
)
BYTES = Counter("tracker_s3_bytes", "Bytes read, as they are stored.")
ERRORS = Counter(
    "tracker_s3_errors",
    "Errors by kind: access, throttled, service and connection (of S3 or SQS), content (an object that can't be read), message, collector.",
    ["kind"],
)
UNREAD = Gauge("tracker_s3_unread_objects", "Objects that the newest listing has and that aren't read yet.")
LAG = Gauge("tracker_s3_lag_seconds", "Time since the newest request that was read; NaN before the first one.")
LAST_LISTING = Gauge(
    "tracker_s3_last_listing_timestamp_seconds", "When the bucket was last listed to its end; 0: not yet."
)
