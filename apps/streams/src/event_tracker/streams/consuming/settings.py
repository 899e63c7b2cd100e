"""The settings that every consumer has."""

from dataclasses import dataclass

from event_tracker.core.kafka.settings import BrokerSettings
from event_tracker.core.settings import setting, validate
from event_tracker.streams.process.settings import KafkaProcessSettings


@dataclass(frozen=True, kw_only=True)
class GroupSettings(BrokerSettings):
    """How a process reads as a member of a group."""

    kafka_group: str = setting(
        "The consumer group, whose members divide the topic's partitions among themselves.",
        check=validate.Length(1, 200),
    )
    kafka_protocol: str = setting(
        "How the group divides partitions. `classic`: cooperative-sticky, with every broker. `consumer`: the brokers divide (KIP-848; "
        "Kafka 4.0 and later). A group changes it by a restart of all its members.",
        default="classic", check=validate.OneOf(["classic", "consumer"]),
    )  # fmt: skip
    kafka_session_seconds: float = setting(
        "After so many seconds without a sign of life, the brokers give the partitions of a member that was killed to others. Only with "
        "KAFKA_PROTOCOL=classic; otherwise the brokers' setting counts.",
        kind="float", default=10.0, check=validate.Range(1, 300),  # librdkafka takes no more than its `max.poll.interval.ms`
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ConsumerSettings(KafkaProcessSettings, GroupSettings):
    """The settings that every consumer has. It has its own default of `kafka_group`."""
