"""Puts simulated events straight into the topic of events, as collectors do. Needs the extra `kafka`."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from uuid import UUID

import click
import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from event_tracker.cli.errors import ServiceError
from event_tracker.cli.ingest.delivery import Outcome
from event_tracker.cli.simulate.timeline import Event
from event_tracker.core.kafka.configuration import producer_configuration
from event_tracker.core.kafka.last_error import make_cause
from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.core.kafka.topic import CheckError, check_topic
from event_tracker.model.storing.record import Record, make_record
from event_tracker.model.storing.row import Row

DELIVERY_SECONDS = 30.0
QUEUE_RECORDS = 10_000
REQUEST_ID = "tracker-simulate"


class _Simulated(msgspec.Struct):
    user_id: str
    event_type: str
    timestamp: datetime
    event_id: UUID
    properties: msgspec.Raw = msgspec.Raw(b"{}")
    session_id: str | None = None


_decode = msgspec.json.Decoder(_Simulated).decode


class KafkaSender:
    """A producer for KAFKA_TOPIC. An event is accepted when all replicas that are in sync have it.

    Args:
        source: the events' source.

    Raises:
        ClickException: if the topic isn't as a collector wants it, or no broker answers.
    """

    def __init__(self, settings: KafkaSettings, source: str) -> None:
        self._topic, self._source = settings.kafka_topic, source
        self._error: KafkaError | None = None
        try:
            found = check_topic(settings, settings.kafka_topic, "tracker")
        except CheckError as error:
            raise click.ClickException(f"Kafka: {error}") from None
        configuration = producer_configuration(
            settings,
            "tracker",
            max_message_bytes=found.max_message_bytes,
            delivery_seconds=DELIVERY_SECONDS,
            queue_records=QUEUE_RECORDS,
        )
        self._producer = Producer({**configuration, "log_level": 0, "error_cb": lambda _: None})

    def send_all(self, batches: Iterable[list[Event]]) -> Iterator[tuple[list[Event], Outcome]]:
        """Send each batch; yield it when it is accepted.

        Raises:
            ServiceError: if an event isn't accepted. Others of its batch may be.
        """
        for batch in batches:
            for event in batch:
                self._produce(make_simulated_record(event, self._source))
            self._producer.flush(DELIVERY_SECONDS + 1)
            if self._error:
                raise ServiceError(f"Kafka: {make_cause(self._error)}. Sending the same again is safe.")
            yield batch, Outcome(accepted=len(batch))

    def _produce(self, record: Record) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic, record.value, record.key, headers=record.headers, on_delivery=self._note
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise ServiceError(f"Kafka: {make_cause(error.args[0])}.") from None
            else:
                return

    def _note(self, error: KafkaError | None, _: Message) -> None:
        self._error = self._error or error


def make_simulated_record(event: Event, source: str) -> Record:
    """The record that a collector would make of this event, if it came from this source."""
    read = _decode(event.json)
    row = Row(
        read.user_id,
        read.timestamp.astimezone(UTC),
        read.event_id.bytes,
        read.event_type,
        read.session_id,
        bytes(read.properties),
        source,
    )
    return make_record(row, REQUEST_ID)
