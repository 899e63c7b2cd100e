"""The producer, and the one real thread that waits for it.

Nothing of gevent may be used in that thread: no lock, no log, no metric. It leaves calls in a deque, and wakes the hub, which makes
them. It also finds out whether the brokers can be reached, makes the producer when they can, and a new one when it is broken.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import gevent
import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException, Producer
from gevent.monkey import get_original
from gevent.threadpool import ThreadPool

from event_tracker.collector import metrics
from event_tracker.core.http.errors import Problem
from event_tracker.core.kafka.configuration import producer_configuration
from event_tracker.core.kafka.last_error import Cause, LastError, make_cause
from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.core.kafka.topic import KafkaRefusedError, KafkaUnreachableError, Topic, check_topic

log = structlog.get_logger("collector.kafka")

POLL_SECONDS = 0.1
"""How long the thread waits for an event: also how long a close takes."""

RETRY_SECONDS = 1.0
"""How often the brokers are tried while they can't be reached."""

REFUSED_RETRY_SECONDS = 10.0
"""The same, where somebody must change something first."""

CHECK_SECONDS = 5.0

_sleep: Callable[[float], None] = get_original("time", "sleep")


class _Broker(msgspec.Struct):
    nodeid: int
    state: str


class _Statistics(msgspec.Struct):
    """What is read of librdkafka's statistics."""

    brokers: dict[str, _Broker]


_decode_statistics = msgspec.json.Decoder(_Statistics).decode


def _describe(error: Exception) -> Cause:
    """The cause that an error is which nobody expects."""
    return Cause(type(error).__name__, str(error), is_refusal=False)


class KafkaClient:
    """A producer for topics of one cluster, which is there while the brokers can be reached.

    Args:
        topics: are checked before anything is sent. Their names, and how many bytes their records may have.
        delivery_seconds: after so many a record has failed.
        queue_records: most records that aren't acknowledged yet.

    Attributes:
        brokers_up: brokers with a connection.
    """

    def __init__(
        self, settings: KafkaSettings, topics: Mapping[str, int], *, delivery_seconds: float, queue_records: int
    ) -> None:
        self.brokers_up = 0
        self._settings = settings
        self._topics = dict(topics)
        self._delivery_seconds = delivery_seconds
        self._queue_records = queue_records
        self._last_error = LastError()
        self._producer: Producer | None = None
        self._is_up = False
        self._is_suspect = False
        self._is_broken = False
        self._is_stopping = False
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._waking = gevent.get_hub().loop.async_()
        self._waking.start(self._make_calls)
        metrics.BUFFER_QUEUE.set_function(lambda: len(self._producer) if self._producer else 0)
        metrics.BUFFER_BROKERS.set_function(lambda: self.brokers_up)
        self._thread = ThreadPool(1)
        self._running = self._thread.spawn(self._run)

    def require_producer(self) -> Producer:
        """The producer.

        Raises:
            Problem: 503 if no broker can be reached.
        """
        producer = self._producer
        if producer is None or not self._is_up:
            cause = self._last_error.cause
            why = f" ({cause.code})" if cause else ""
            raise Problem(
                503, "kafka_unavailable", f"No broker can be reached{why}. Nothing of this is accepted: send it again."
            )
        return producer

    def require_ready(self) -> None:
        """Return if the brokers can be reached and the topics are as they must be.

        Raises:
            Problem: 503.
        """
        self.require_producer()

    def report(self) -> dict[str, Any]:
        """Figures for `/healthz`.

        Raises:
            Problem: as `require_ready`.
        """
        self.require_ready()
        return {"brokers_up": self.brokers_up}

    def note(self, error: KafkaError) -> None:
        """Count and log an error. If it means that the producer is broken, it is replaced. Don't call it in the thread."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._is_broken = True
        self._note_cause(make_cause(error))

    def call_soon(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have the hub call a function, which mustn't wait. Only the thread calls this."""
        self._calls.append((function, arguments))

    def close(self) -> None:
        """Stop the thread. What waits for brokers is sent, as far as time allows."""
        self._is_stopping = True
        self._running.get()
        self._waking.close()
        self._thread.kill()

    def _note_cause(self, cause: Cause) -> None:
        metrics.BUFFER_ERRORS.labels(cause.code).inc()
        self._last_error.remember(cause)

    def _make_calls(self) -> None:
        while self._calls:
            function, arguments = self._calls.popleft()
            function(*arguments)

    # What follows runs in the thread.

    def _run(self) -> None:
        while not self._is_stopping:
            topics = self._check()
            if topics:
                try:
                    self._serve(min(topic.max_message_bytes for topic in topics))
                except Exception as error:  # whatever it is, the thread must go on
                    self._is_up = False
                    self._producer = None
                    self.brokers_up = 0
                    self._fail(_describe(error), RETRY_SECONDS)

    def _check(self) -> list[Topic]:
        """Check the topics. If that fails, wait a while."""
        pause = RETRY_SECONDS
        try:
            return [
                check_topic(self._settings, name, "collector", least_bytes=least_bytes, seconds=CHECK_SECONDS)
                for name, least_bytes in self._topics.items()
            ]
        except (KafkaRefusedError, KafkaUnreachableError) as error:
            if isinstance(error, KafkaRefusedError):
                pause = REFUSED_RETRY_SECONDS
            cause = error.cause
        except Exception as error:  # whatever it is, the thread must go on
            cause = _describe(error)
        self._fail(cause, pause)
        return []

    def _fail(self, cause: Cause, pause: float) -> None:
        """Have a cause counted and logged, and wait a while."""
        self.call_soon(self._note_cause, cause)
        self._wake()
        until = time.monotonic() + pause
        while not self._is_stopping and time.monotonic() < until:
            _sleep(POLL_SECONDS)

    def _serve(self, max_message_bytes: int) -> None:
        """Make a producer, and wait for it until this stops, or it is broken."""
        options = producer_configuration(
            self._settings,
            "collector",
            max_message_bytes=max_message_bytes,
            delivery_seconds=self._delivery_seconds,
            queue_records=self._queue_records,
        )
        producer = Producer({**options, "error_cb": self._note_error, "stats_cb": self._read_statistics})
        self._is_broken = False
        self._producer = producer
        self._set_up(is_up=True)
        while not (self._is_stopping or self._is_broken):
            try:
                producer.poll(POLL_SECONDS)
                if self._is_suspect or not self._is_up:
                    self._probe(producer)
            except Exception as error:  # what is on its way must be settled all the same
                self._is_broken = True
                self.call_soon(self._note_cause, _describe(error))
            self._wake()
        if self._is_broken:
            self._is_up = False
            self.call_soon(log.error, "the producer is broken, and is made again")
            producer.purge()
        producer.flush(0 if self._is_broken else self._delivery_seconds)
        producer.poll(0)
        self._wake()
        self._producer = None

    def _probe(self, producer: Producer) -> None:
        """Ask the brokers something: librdkafka connects only when it must, and says only that connections were lost."""
        began = time.monotonic()
        try:
            producer.list_topics(next(iter(self._topics)), timeout=RETRY_SECONDS)
        except KafkaException as error:
            if self._is_up:
                self._set_up(is_up=False)
            self.call_soon(self._note_cause, make_cause(error.args[0]))
            while not self._is_stopping and time.monotonic() < began + RETRY_SECONDS:
                producer.poll(POLL_SECONDS)
        else:
            self._is_suspect = False
            if not self._is_up:
                self._set_up(is_up=True)

    def _set_up(self, *, is_up: bool) -> None:
        self._is_up = is_up
        if is_up:
            self.call_soon(self._last_error.forget)
        self.call_soon(
            log.info if is_up else log.warning, "brokers can be reached" if is_up else "no broker can be reached"
        )

    def _note_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._is_suspect = True
        self.call_soon(self.note, error)

    def _read_statistics(self, text: str) -> None:
        brokers = _decode_statistics(text).brokers.values()
        self.brokers_up = sum(broker.nodeid >= 0 and broker.state == "UP" for broker in brokers)
        if not self.brokers_up:
            self._is_suspect = True

    def _wake(self) -> None:
        if self._calls:
            self._waking.send()
