"""Events into Kafka instead of PostgreSQL: they are accepted when all brokers that must have them do, and stored later by a storer.

librdkafka has threads of its own, and its calls that wait would stop all greenlets. So one real thread waits for it (client.py),
and a request waits for its own records only: a partition without a leader delays nobody else.
"""

import time
from collections.abc import Sequence

import structlog
from confluent_kafka import KafkaError, KafkaException, Message
from gevent.event import Event

from event_tracker.collector import metrics
from event_tracker.collector.kafka.client import KafkaClient
from event_tracker.collector.writer import FairQueue, PendingRequest
from event_tracker.core.http.errors import Problem
from event_tracker.core.kafka.last_error import make_cause
from event_tracker.core.server.cooperation import TimeSlice
from event_tracker.model.storing.record import make_record
from event_tracker.model.storing.row import NotStorableError, ReceivedOutcome, Row

log = structlog.get_logger("collector.buffer")

CLOCK_INTERVAL = 16
"""Records that are made before the clock is checked."""

ACKNOWLEDGED, FAILED = (metrics.BUFFER_RECORDS.labels(outcome) for outcome in ("acknowledged", "failed"))


class Delivery:
    """The records of one request on their way to the brokers.

    Attributes:
        done: set when each has been acknowledged or has failed.
        failed: how many have failed.
        error: why the first of them did.
    """

    __slots__ = ("_finish", "_reported", "_sent", "done", "error", "failed")

    def __init__(self, client: KafkaClient) -> None:
        self.done = Event()
        self.failed = 0
        self.error: KafkaError | None = None
        self._reported = 0
        self._sent = -1
        self._finish = client.call_soon

    def note(self, error: KafkaError | None, _: Message) -> None:
        """Count a record that has been acknowledged, or has failed. Only the client's thread calls it."""
        if error is not None:
            self.failed += 1
            self.error = self.error or error
        self._reported += 1
        if self._reported == self._sent:
            self._finish(self.done.set)

    def expect(self, records: int) -> None:
        """Say how many were sent, when all are."""
        self._sent = records
        if self._reported == records:  # the thread may have counted the last one before it could know that it was
            self.done.set()


class Buffer:
    """Sends events to a topic. It takes the place of a `Writer`.

    Attributes:
        queue: the requests that wait. Reserve a place in it before the events of a request are read: reading costs most.
    """

    def __init__(self, client: KafkaClient, topic: str, *, queue_events: int, store_seconds: float) -> None:
        self.queue = FairQueue(queue_events)
        self._client = client
        self._topic = topic
        self._seconds = store_seconds
        metrics.QUEUE_BOUND.set(queue_events)
        metrics.QUEUE_EVENTS.set_function(lambda: self.queue.events)

    def store(self, rows: Sequence[Row], request: PendingRequest) -> list[ReceivedOutcome]:
        """Wait until the brokers have acknowledged the rows of a request; return the outcome of each: `accepted`, or the error.

        Raises:
            Problem: 503 if no broker can be reached, the queue is full, or a record wasn't acknowledged in time. It may be in the topic
                all the same.
        """
        began = time.perf_counter()
        request.resize(len(rows))
        delivery = Delivery(self._client)
        outcomes = self._send(rows, request.request_id, delivery)
        if not delivery.done.wait(self._seconds):
            raise _not_acknowledged(KafkaError(KafkaError._MSG_TIMED_OUT))
        sent = outcomes.count("accepted")
        ACKNOWLEDGED.inc(sent - delivery.failed)
        if delivery.error is not None:
            FAILED.inc(delivery.failed)
            self._client.note(delivery.error)
            raise _not_acknowledged(delivery.error)
        metrics.BUFFER_SECONDS.observe(time.perf_counter() - began)
        return outcomes

    def _send(self, rows: Sequence[Row], request_id: str, delivery: Delivery) -> list[ReceivedOutcome]:
        """Give all rows to the producer, which sends them in the background."""
        producer = self._client.require_producer()
        time_slice = TimeSlice()
        outcomes: list[ReceivedOutcome] = []
        for place, row in enumerate(rows):
            if place % CLOCK_INTERVAL == CLOCK_INTERVAL - 1:
                time_slice.yield_when_over()
            record = make_record(row, request_id)
            try:
                producer.produce(
                    self._topic, record.value, record.key, on_delivery=delivery.note, headers=record.headers
                )
            except BufferError:
                raise _queue_full() from None
            except KafkaException as error:
                cause: KafkaError = error.args[0]
                if cause.code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    self._client.note(cause)
                    raise _not_acknowledged(cause) from None
                outcomes.append(NotStorableError("larger than the topic takes"))
            else:
                outcomes.append("accepted")
        delivery.expect(outcomes.count("accepted"))
        return outcomes

    def close(self) -> None:
        """Nothing to do: the client sends what waits when it is closed."""


def _not_acknowledged(error: KafkaError) -> Problem:
    detail = f"The brokers didn't acknowledge all events ({make_cause(error).code}). Send the request again: what they have is stored once."
    return Problem(503, "store_timeout", detail)


def _queue_full() -> Problem:
    detail = "Too many events are waiting for the brokers. Send the request again: what they have is stored once."
    return Problem(503, "queue_full", detail)
