"""Metrics of `tracker outbox run`; docs/metrics.md lists them."""

from prometheus_client import Counter, Gauge

EVENTS = Counter(
    "tracker_outbox_events",
    "Events by outcome: stored, duplicate, accepted (by Kafka), expired, refused.",
    ["outcome"],
)
ERRORS = Counter(
    "tracker_outbox_errors", "Failures that are tried again, by kind: database (of the outbox), collector.", ["kind"]
)
WAITING = Gauge("tracker_outbox_waiting_events", "Events that wait to be sent, counted up to 100,000.")
REFUSED = Gauge(
    "tracker_outbox_refused_events", "Events in the outbox that the collector refused, counted up to 100,000."
)
LAG = Gauge("tracker_outbox_lag_seconds", "Time since the oldest event that waits was added; 0 if none waits.")
