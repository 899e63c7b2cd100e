"""Settings as the configuration of librdkafka, the C library that does the work."""

from typing import Any

from event_tracker.core.kafka.settings import BrokerSettings

Configuration = dict[str, Any]
"""Options of librdkafka by name, as confluent-kafka takes them. It has the password: it must not be logged."""

MAX_MESSAGE_BYTES = 1_000_000_000
"""The most that librdkafka takes; a topic's bound may be larger."""

BATCH_SHARE = 0.9
"""Of the topic's `max.message.bytes`. A batch over the bound is refused whole, and librdkafka's count leaves out some headers."""

HANG_SECONDS = 10.0
MAX_QUEUED_KIB = 64 * 1024
METADATA_SECONDS = 60
STATISTICS_SECONDS = 5

MAX_SEVERE = 2
"""librdkafka writes such lines itself. It tells `error_cb` of all that matters, once."""

FETCHED_BYTES = 256 * 1024
FETCHED_BYTES_A_PARTITION = 64 * 1024
"""Most bytes of one broker's answer, compressed: in memory they are up to 250 times as much. One batch of records always passes,
however large it is."""

QUEUED_KIB = 16 * 1024
"""Of records that are fetched ahead, no more are asked for above this; what an answer had is taken in whole."""

SECURITY = {
    "plain": {"security.protocol": "plaintext"},
    "tls": {"security.protocol": "ssl"},
    "scram": {"security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-512"},
}


def common_configuration(settings: BrokerSettings, client: str) -> Configuration:
    """What every client needs: where the brokers are, and how to sign in.

    Args:
        client: the name that brokers log, such as `collector`.
    """
    configuration: Configuration = {
        "bootstrap.servers": settings.kafka_brokers,
        "client.id": f"event-tracker-{client}",
        "topic.metadata.refresh.interval.ms": METADATA_SECONDS * 1000,
        "allow.auto.create.topics": False,
        "log_level": MAX_SEVERE,
        **SECURITY[settings.kafka_security],
    }
    if settings.kafka_security == "scram":
        configuration |= {"sasl.username": settings.kafka_user, "sasl.password": settings.kafka_password}
    if settings.kafka_ca:
        configuration["ssl.ca.location"] = settings.kafka_ca
    return configuration


def producer_configuration(
    settings: BrokerSettings, client: str, *, max_message_bytes: int, delivery_seconds: float, queue_records: int
) -> Configuration:
    """A producer that acknowledges what all replicas in sync have, and writes it once.

    Args:
        max_message_bytes: the topic's bound, of a batch.
        delivery_seconds: after so many a record has failed; it may be in the topic all the same.
        queue_records: most records that aren't acknowledged yet; `produce` raises BufferError for more.
    """
    max_message_bytes = min(max_message_bytes, MAX_MESSAGE_BYTES)
    return {
        **common_configuration(settings, client),
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 0,  # what arrives while a request is under way goes in the next
        "delivery.timeout.ms": int(delivery_seconds * 1000),
        # A broker that hangs is noticed by a request that isn't answered; by default, after a minute.
        "socket.timeout.ms": int(max(delivery_seconds, HANG_SECONDS) * 1000),
        "queue.buffering.max.messages": queue_records,
        "queue.buffering.max.kbytes": MAX_QUEUED_KIB,
        # As Java's producers do it. librdkafka's own default sends a key to another partition than theirs.
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "batch.size": int(max_message_bytes * BATCH_SHARE),
        "message.max.bytes": max_message_bytes,
        "statistics.interval.ms": STATISTICS_SECONDS * 1000,
    }


def consumer_configuration(settings: BrokerSettings, client: str, *, group: str) -> Configuration:
    """The common part of a consumer whose offsets are committed by hand, after what was read is safe.

    Args:
        group: the name of the consumer group.
    """
    return {
        **common_configuration(settings, client),
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # If the offset is out of retention: "earliest" would silently read again, "latest" silently skip.
        "auto.offset.reset": "error",
        "fetch.max.bytes": FETCHED_BYTES,
        "message.max.bytes": FETCHED_BYTES,  # of requests; librdkafka wants the bound of an answer to be no smaller
        "max.partition.fetch.bytes": FETCHED_BYTES_A_PARTITION,
        "queued.max.messages.kbytes": QUEUED_KIB,
        "statistics.interval.ms": STATISTICS_SECONDS * 1000,
    }
