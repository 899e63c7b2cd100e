"""Sends refused events to a topic, when events go through Kafka: PostgreSQL, which keeps them, may be unavailable for hours."""

from collections import Counter
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message

from event_tracker.collector import metrics
from event_tracker.collector.kafka.client import KafkaClient
from event_tracker.collector.rejections.recorder import QUEUE_ROWS, SOURCE_PARTS
from event_tracker.core.http.errors import Problem
from event_tracker.model.storing.keep_rejections import NewRejection
from event_tracker.model.storing.rejection_record import make_rejection_record


class RejectionSender:
    """Sends them. The storer keeps them, within its own bounds.

    Args:
        topic: its name.
    """

    def __init__(self, client: KafkaClient, topic: str) -> None:
        self._client = client
        self._topic = topic
        self._waiting: Counter[str] = Counter()

    def fits(self, source: str) -> bool:
        """Whether one more of this source may wait for the brokers."""
        return self._waiting.total() < QUEUE_ROWS and self._waiting[source] < QUEUE_ROWS // SOURCE_PARTS

    def send(self, rejection: NewRejection) -> bool:
        """Send a refused event, without waiting; return whether it was possible."""
        record = make_rejection_record(rejection)
        note = partial(self._client.call_soon, self._settle, rejection.source)
        try:
            self._client.require_producer().produce(
                self._topic, record.value, record.key, on_delivery=note, headers=record.headers
            )
        except (BufferError, KafkaException, Problem):
            return False
        self._waiting[rejection.source] += 1
        return True

    def _settle(self, source: str, error: KafkaError | None, _: Message) -> None:
        self._waiting[source] -= 1
        if error is None:
            metrics.REJECTIONS_KEPT.inc()
        else:
            metrics.REJECTIONS_DROPPED.inc()
            self._client.note(error)
