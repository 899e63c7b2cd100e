"""Writes records to topics, and waits until the brokers have acknowledged all of them."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from event_tracker.core.kafka.configuration import producer_configuration
from event_tracker.core.kafka.last_error import LastError, make_cause
from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.core.kafka.topic import DENIED, KafkaRefusedError
from event_tracker.model.storing.record import Header
from event_tracker.streams.publisher import metrics

POLL_SECONDS = 0.5

FORGOTTEN = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}

QUEUE_RECORDS = 10_000
"""Most records that aren't acknowledged yet."""

NO_DELIVERY_LIMIT = 0
"""No record fails for its age. A record that failed might be in the topic all the same, behind a tombstone that came after it."""


class TopicRecord(NamedTuple):
    """A record and its topic. Without a value it is a tombstone."""

    topic: str
    key: bytes
    value: bytes | None
    headers: list[Header]


class RecordWriter:
    """A producer whose writes are acknowledged when they return.

    Args:
        max_message_bytes: the smallest bound of the topics.
        should_continue: is called every second or sooner while it waits; whether to go on waiting. It must be False when it is
            another's turn.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        max_message_bytes: int,
        last_error: LastError,
        should_continue: Callable[[], bool],
    ) -> None:
        self._last_error = last_error
        self._should_continue = should_continue
        self._waiting = 0
        self._failed: KafkaRefusedError | KafkaException | None = None
        options = producer_configuration(
            settings,
            "publisher",
            max_message_bytes=max_message_bytes,
            delivery_seconds=NO_DELIVERY_LIMIT,
            queue_records=QUEUE_RECORDS,
        )
        self._producer = Producer({**options, "error_cb": self._note})

    def write(self, records: Iterable[TopicRecord]) -> bool:
        """Write records. Those of one key are in their topic in this order.

        Returns:
            True if the brokers have acknowledged all; False if it was to stop before. Then some may be written, as after an error,
            and no more of them will be.

        Raises:
            KafkaRefusedError: if a person must change something first.
            KafkaException: if the producer can't go on.
        """
        for record in records:
            while not self._produce(record):
                if not self._wait():
                    return self._forget()
        while self._waiting:
            if not self._wait():
                return self._forget()
        self._last_error.forget()
        return True

    def close(self) -> None:
        """Forget what isn't acknowledged: it is written again by who goes on."""
        self._forget()

    def poll(self, seconds: float = 0.0) -> None:
        """Take in what the brokers say. Call it now and then while nothing is written.

        Raises:
            KafkaRefusedError, KafkaException: as `write` says.
        """
        try:
            self._producer.poll(seconds)
        except KafkaException as error:  # librdkafka's fatal errors are raised here
            raise _refuse("", error.args[0]) from None

    def _produce(self, record: TopicRecord) -> bool:
        """Hand a record over. False if too many wait."""
        try:
            self._producer.produce(
                record.topic, record.value, record.key, headers=list(record.headers), on_delivery=self._count
            )
        except BufferError:
            return False
        except KafkaException as error:
            raise _refuse(record.topic, error.args[0]) from None
        self._waiting += 1
        self.poll()
        return True

    def _wait(self) -> bool:
        """Wait for acknowledgements for a moment. False if it is to stop."""
        self.poll(POLL_SECONDS)
        if self._failed:
            raise self._failed
        cause = self._last_error.cause
        if cause and cause.is_refusal:
            raise KafkaRefusedError(
                cause.code,
                f"The brokers refuse us: {cause}. See KAFKA_SECURITY, KAFKA_USER, KAFKA_PASSWORD and KAFKA_CA.",
            )
        return self._should_continue()

    def _forget(self) -> bool:
        self._producer.purge()
        self._producer.flush(POLL_SECONDS)
        return False

    def _count(self, error: KafkaError | None, record: Message) -> None:
        self._waiting -= 1
        topic = str(record.topic())
        if error is None:
            (metrics.RECORDS if record.value() is not None else metrics.TOMBSTONES).labels(topic).inc()
        elif error.code() not in FORGOTTEN and self._failed is None:
            metrics.ERRORS.labels(error.name()).inc()
            self._failed = _refuse(topic, error)

    def _note(self, error: KafkaError) -> None:
        metrics.ERRORS.labels(error.name()).inc()
        self._last_error.note(error)


def _refuse(topic: str, error: KafkaError) -> KafkaRefusedError | KafkaException:
    """What a record's error means. Those that pass are tried again by librdkafka."""
    cause = make_cause(error)
    if error.code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED:
        # Who may write to no topic at all isn't given the number that an idempotent producer needs.
        return KafkaRefusedError(cause.code, f"This user may write to none of the topics: {cause}.")
    if error.code() in DENIED:
        return KafkaRefusedError(cause.code, f"This user may not write to the topic {topic}: {cause}.")
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return KafkaRefusedError(
            cause.code, f"An event is larger than the topic {topic} takes: raise its `max.message.bytes`. {cause}."
        )
    if error.code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}:
        return KafkaRefusedError(cause.code, f"There is no topic {topic} any more: {cause}.")
    return KafkaException(error)
