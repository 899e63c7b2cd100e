"""What a process that speaks to Kafka has: the wait for its topics, and the error message that it exits with."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog
from confluent_kafka import KafkaException

from event_tracker.core.kafka.last_error import make_cause
from event_tracker.core.kafka.topic import KafkaRefusedError, KafkaUnreachableError

log = structlog.get_logger("streams")

Found = TypeVar("Found")


@contextmanager
def exit_with_message(name: str, more_errors: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Exit the process `name` with an error message, after errors of Kafka and `more_errors`.

    Raises:
        SystemExit: for these errors.
    """
    ends: tuple[type[Exception], ...] = (KafkaRefusedError, *more_errors)
    try:
        yield
    except ends as error:
        sys.exit(f"{name}: {error}")
    except KafkaException as error:
        sys.exit(f"{name}: Kafka: {make_cause(error.args[0])}.")


def wait_for_topic(find: Callable[[], Found], go_on: Callable[[], bool]) -> Found | None:
    """What `find` finds out about a topic, as soon as a broker answers. None if it is to stop before.

    Args:
        go_on: is called before each try; whether to go on.

    Raises:
        KafkaRefusedError: if waiting doesn't help.
    """
    while go_on():
        try:
            return find()
        except KafkaUnreachableError as error:
            log.warning("waits for Kafka", cause=str(error))
    return None
