"""Where a topic ends, and which topic it is."""

from typing import Any

from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # they are, at run time

from event_tracker.core.kafka.configuration import common_configuration
from event_tracker.core.kafka.last_error import make_cause
from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.core.kafka.topic import KafkaUnreachableError

ANSWER_SECONDS = 10.0
"""How long the brokers may take to answer."""


class TopicEndReader:
    """Asks the brokers. Not for gevent: it waits for threads of librdkafka.

    Args:
        client: as `common_configuration` takes it.
    """

    def __init__(self, settings: KafkaSettings, client: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        options: dict[str, Any] = {
            **common_configuration(settings, client),
            "log_level": 0,
            "error_cb": lambda _: None,  # of every error, an answer tells as well
        }
        self._admin = AdminClient(options)
        self._seconds = answer_seconds

    def read_id(self, name: str) -> str:
        """Kafka's id of a topic: one that is deleted and made again has another.

        Raises:
            KafkaUnreachableError: if no broker says so.
        """
        return self._describe(name)[0]

    def read(self, name: str) -> tuple[str, list[int]]:
        """Kafka's id of a topic, and of each partition the offset that the next record will get. All before it can be read.

        Raises:
            KafkaUnreachableError: if no broker says so.
        """
        topic_id, partitions = self._describe(name)
        places = [TopicPartition(name, partition) for partition in range(partitions)]
        asked = {place: OffsetSpec.latest() for place in places}  # type: ignore[no-untyped-call]
        futures = self._admin.list_offsets(asked, request_timeout=self._seconds)
        return topic_id, [self._wait(name, futures[place]).offset for place in places]

    def _describe(self, name: str) -> tuple[str, int]:
        (future,) = self._admin.describe_topics(TopicCollection([name]), request_timeout=self._seconds).values()
        found = self._wait(name, future)
        return str(found.topic_id), len(found.partitions)

    def _wait(self, name: str, future: Any) -> Any:
        try:
            return future.result(self._seconds + 1)
        except KafkaException as error:
            cause = make_cause(error.args[0])
            raise KafkaUnreachableError(
                cause.code, f"The brokers don't tell where the topic {name} ends: {cause}."
            ) from None
        except TimeoutError:
            raise KafkaUnreachableError("time_out", f"The brokers don't tell where the topic {name} ends.") from None
