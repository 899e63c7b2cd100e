"""Runs a process: its signals, its metrics port, the wait for its topics, and the sentence that it ends with."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import TypeVar

import structlog
from confluent_kafka import KafkaException

from event_tracker.core import metrics as core_metrics
from event_tracker.core.kafka.last_error import make_cause
from event_tracker.core.kafka.topic import KafkaRefusedError, KafkaUnreachableError
from event_tracker.core.metrics_port import serve_metrics
from event_tracker.streams.process.settings import ProcessSettings

log = structlog.get_logger("streams")

PACKAGE = "event-tracker-streams"

TICK_SECONDS = 300.0
"""The longest time between two rounds of a loop that is alive. A consumer polls in each round: after this time its group takes its
partitions away (max.poll.interval.ms)."""

Found = TypeVar("Found")


class Loop:
    """The state of a process's loop: whether it is to stop, since SIGTERM or Ctrl-C came, and when it last went round."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._ticked = time.monotonic()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())

    def is_stopping(self) -> bool:
        """Whether it is to stop."""
        return self._stopping.is_set()

    def wait(self, seconds: float = 0.0) -> bool:
        """Wait so long, or until it is to stop. Whether to go on."""
        self._ticked = time.monotonic()
        return not self._stopping.wait(seconds)

    def is_alive(self) -> bool:
        """Whether it goes round. While PostgreSQL or the brokers are unavailable it does, too."""
        return time.monotonic() - self._ticked < TICK_SECONDS


@contextmanager
def exit_with_sentence(name: str, endings: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """End the process `name` with a sentence for a person, after errors of Kafka and `endings`.

    Raises:
        SystemExit: for these errors.
    """
    ends: tuple[type[Exception], ...] = (KafkaRefusedError, *endings)
    try:
        yield
    except ends as error:
        sys.exit(f"{name}: {error}")
    except KafkaException as error:
        sys.exit(f"{name}: Kafka: {make_cause(error.args[0])}.")


def serve_state(
    name: str, settings: ProcessSettings, checks: Mapping[str, Callable[[], bool]], stack: ExitStack
) -> None:
    """Answer metrics and checks, if METRICS_PORT is set, until the stack is closed.

    Raises:
        SystemExit: if the port can't be used.
    """
    core_metrics.BUILD_INFO.labels(name, version(PACKAGE), settings.revision).set(1)
    if not settings.metrics_port:
        return
    try:
        stack.enter_context(serve_metrics(settings.host, settings.metrics_port, checks))
    except OSError as error:
        sys.exit(f"{name}: METRICS_PORT: port {settings.metrics_port} can't be used: {error.strerror}")


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
