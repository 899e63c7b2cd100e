"""Checks a topic before anything is written to it or read from it."""

import time
from datetime import timedelta
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]  # they are, at run time

from event_tracker.core.kafka.configuration import common_configuration
from event_tracker.core.kafka.last_error import LOG_LEVEL, Cause, LastCause, make_cause
from event_tracker.core.kafka.settings import BrokerSettings, KafkaSettings

MIN_REPLICAS = 2

CHECK_SECONDS = 10.0
"""How long a check waits for the brokers."""

DELETION = timedelta(hours=1)
"""How long brokers may take to delete what is too old: they look every five minutes by default, and delete a minute later."""

MAX_KEEP_MS = 100 * 366 * 86_400_000
"""What is kept for longer is kept for ever."""

STEP_SECONDS = 0.5
POLL_SECONDS = 0.02

DENIED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
}


class CheckError(Exception):
    """A topic isn't as it must be, or can't be looked at.

    Attributes:
        cause: its sentence is the message; its code is librdkafka's, or one of ours.
    """

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.detail)
        self.cause = cause


class KafkaRefusedError(CheckError):
    """Waiting doesn't help: a password, a certificate, a right or a topic is wrong. The message names the cause and the setting."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(Cause(code, message, is_refusal=True))


class KafkaUnreachableError(CheckError):
    """No broker answers, for the reason in the message. It may answer later."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(Cause(code, message, is_refusal=False))


class Topic(NamedTuple):
    """A topic as the brokers describe it.

    Attributes:
        partitions: how many.
        replicas: of the partition that has fewest.
        min_insync: how many replicas must have a record before it is acknowledged.
        max_message_bytes: most bytes of a batch of records.
    """

    name: str
    partitions: int
    replicas: int
    min_insync: int
    max_message_bytes: int


def check_topic(
    settings: KafkaSettings, name: str, client: str, *, least_bytes: int = 0, seconds: float = CHECK_SECONDS
) -> Topic:
    """Describe a topic, and refuse one that is missing, unsafe or too small. It waits: call it in a thread of its own under gevent.

    Args:
        client: as `common_configuration` takes it.
        least_bytes: the topic must take records of so many bytes.

    Raises:
        KafkaRefusedError: if a person must change something first.
        KafkaUnreachableError: if no broker answered within so many seconds.
    """
    deadline = time.monotonic() + seconds
    admin, last_error = _open_admin(settings, client)
    replicas = _find(admin, name, last_error, deadline)
    options = _read_options(admin, name, deadline)
    min_insync, max_bytes = (int(options[option].value) for option in ("min.insync.replicas", "max.message.bytes"))
    topic = Topic(name, len(replicas), min(replicas, default=0), min_insync, max_bytes)
    _require_safe(topic, settings, least_bytes)
    return topic


def find_topic(settings: BrokerSettings, name: str, client: str, *, seconds: float = CHECK_SECONDS) -> int:
    """How many partitions a topic has, for who only reads it: that needs the right Describe and no other.

    Raises:
        KafkaRefusedError, KafkaUnreachableError: as `check_topic` says.
    """
    admin, last_error = _open_admin(settings, client)
    return len(_find(admin, name, last_error, time.monotonic() + seconds))


def read_keep(settings: BrokerSettings, name: str, client: str, *, seconds: float = CHECK_SECONDS) -> timedelta | None:
    """How long a record is in a topic at most; None if its options set no bound. For who reads the topic: nothing else is checked.

    Raises:
        KafkaRefusedError, KafkaUnreachableError: as `check_topic` says.
    """
    deadline = time.monotonic() + seconds
    admin, last_error = _open_admin(settings, client)
    _find(admin, name, last_error, deadline)
    options = _read_options(admin, name, deadline)
    retention, segment = (int(options[option].value) for option in ("retention.ms", "segment.ms"))
    if "delete" not in str(options["cleanup.policy"].value) or retention < 0 or retention + segment > MAX_KEEP_MS:
        return None
    # Kafka deletes whole segments: the first record of one goes with the last one, which came up to `segment.ms` later.
    return timedelta(milliseconds=retention + segment) + DELETION


def _open_admin(settings: BrokerSettings, client: str) -> tuple[AdminClient, LastCause]:
    last_error = LastCause()  # which logs nothing: under gevent, checks run in a real thread
    # The last two aren't in the client's declared options, but it takes them as every client does.
    options: dict[str, Any] = {
        **common_configuration(settings, client),
        "log_level": LOG_LEVEL,
        "error_cb": last_error.note,
        "logger": last_error,
    }
    return AdminClient(options), last_error


def _find(admin: AdminClient, name: str, last_error: LastCause, deadline: float) -> list[int]:
    """The number of replicas of each partition of a topic."""
    while True:
        try:
            found = admin.list_topics(name, timeout=STEP_SECONDS).topics[name]
        except KafkaException as error:
            cause = make_cause(error.args[0])
        else:
            if found.error is None:
                return [len(partition.replicas) for partition in found.partitions.values()]
            cause = make_cause(found.error)
            if found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise KafkaRefusedError(
                    cause.code, f"There is no topic {name}, or this user may not know of it: make it first."
                )
            if found.error.code() in DENIED:
                raise KafkaRefusedError(cause.code, f"This user may not describe the topic {name}: {cause}.")
        admin.poll(0)  # calls `note` and `log`
        cause = last_error.cause or cause
        if cause.is_refusal:
            raise KafkaRefusedError(
                cause.code,
                f"The brokers refuse us: {cause}. See KAFKA_SECURITY, KAFKA_USER, KAFKA_PASSWORD and KAFKA_CA.",
            )
        if time.monotonic() > deadline:
            if last_error.hangs_up:
                # A proxy in front of brokers that restart does the same, so this may pass.
                why = "The brokers hang up at the first question. If it lasts: do they want to be spoken to encrypted? See KAFKA_SECURITY."
                raise KafkaUnreachableError("security_protocol", why)
            raise KafkaUnreachableError(cause.code, f"No broker of KAFKA_BROKERS answers: {cause}.")


def _read_options(admin: AdminClient, name: str, deadline: float) -> dict[str, Any]:
    """The options of a topic, its brokers' defaults included."""
    resource = ConfigResource(ResourceType.TOPIC, name)
    seconds = max(STEP_SECONDS, deadline - time.monotonic())
    (future,) = admin.describe_configs([resource], request_timeout=seconds).values()
    # Not `result` at once: where gevent has replaced locks, a thread of librdkafka can't wake the one that waits.
    while not future.done():
        admin.poll(POLL_SECONDS)
    try:
        options: dict[str, Any] = future.result()
    except KafkaException as error:
        cause = make_cause(error.args[0])
        if error.args[0].code() in DENIED:
            raise KafkaRefusedError(
                cause.code, f"This user needs the right DescribeConfigs on the topic {name}: {cause}."
            ) from None
        raise KafkaUnreachableError(cause.code, f"The brokers don't describe the topic {name}: {cause}.") from None
    return options


def _require_safe(topic: Topic, settings: KafkaSettings, least_bytes: int) -> None:
    if not settings.kafka_single and (topic.replicas < MIN_REPLICAS or topic.min_insync < MIN_REPLICAS):
        raise KafkaRefusedError(
            "topic_unsafe",
            f"The topic {topic.name} has {topic.replicas} replicas and min.insync.replicas={topic.min_insync}; both must be at least "
            f"{MIN_REPLICAS}, or one broker's loss would lose acknowledged events. KAFKA_SINGLE=true takes it as it is.",
        )
    if topic.max_message_bytes < least_bytes:
        raise KafkaRefusedError(
            "topic_too_small",
            f"The topic {topic.name} has max.message.bytes={topic.max_message_bytes}, and an event may need {least_bytes}.",
        )
