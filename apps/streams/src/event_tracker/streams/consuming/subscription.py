"""What a consumer reads, and small facts about records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, Message

from event_tracker.core.kafka.configuration import consumer_configuration
from event_tracker.streams.consuming.positions import Partition
from event_tracker.streams.consuming.settings import ConsumerSettings

MAX_HEARTBEAT_MS = 3000
"""Most milliseconds between two heartbeats, however long a session is."""


def _ignore(*_: Any) -> None:
    """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """What a consumer reads.

    Attributes:
        client: its name, which brokers log.
        done: what it does with records, such as "stored"; for messages.
        advice: a sentence: how a person goes on where records are gone.
        skippable_topic: a topic whose lost records don't end the process.
        on_assigned: is called with each partition that it gets, and the text that is committed with its offset.
        on_revoked: is called with each partition that it has no more.
        on_restarted: is called with each partition of that topic whose records are gone, before it is read from its first one.
    """

    client: str
    topics: Sequence[str]
    done: str
    advice: str
    skippable_topic: str = ""
    on_assigned: Callable[[Partition, str], None] = _ignore
    on_revoked: Callable[[Partition], None] = _ignore
    on_restarted: Callable[[Partition], None] = _ignore

    def say_what_is_lost(self, message: Message, error: KafkaError, group: str) -> str:
        """The sentences of a `LostRecordsError`."""
        return (
            f"The records of topic {message.topic()}, partition {message.partition()} from the offset that the group {group} committed "
            f"are gone: {error.str()}. They were deleted before they were {self.done}. {self.advice}"
        )


def group_configuration(settings: ConsumerSettings, client: str) -> dict[str, Any]:
    """The configuration of a member. Membership is dynamic: a static member could be fenced off by its own restart."""
    common = consumer_configuration(settings, client, group=settings.kafka_group)
    if settings.kafka_protocol == "consumer":
        return {**common, "group.protocol": "consumer"}
    session = int(settings.kafka_session_seconds * 1000)
    return {
        **common,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session,
        # A member hears by a heartbeat that others have come or gone.
        "heartbeat.interval.ms": min(session // 3, MAX_HEARTBEAT_MS),
    }


def find_partition(record: Message) -> Partition:
    """The partition that a record is from."""
    return Partition(str(record.topic()), record.partition() or 0)


def read_seconds(record: Message) -> float:
    """When a record was written, in seconds since 1970; not above 0 if it has no time."""
    return record.timestamp()[1] / 1000
