"""A process's lifecycle: stop signals, liveness, and the port for metrics and checks."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.metadata import version

from event_tracker.core import metrics as core_metrics
from event_tracker.core.metrics_port import serve_metrics
from event_tracker.streams.process.settings import MonitoringSettings

PACKAGE = "event-tracker-streams"

TICK_SECONDS = 300.0
"""The longest time between two rounds of a loop that is alive. A consumer polls in each round: after this time its group takes its
partitions away (max.poll.interval.ms)."""


class LoopState:
    """Whether the loop of a process is to stop, since SIGTERM or Ctrl-C came, and when it last called `wait`."""

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


def serve_metrics_and_checks(
    name: str, settings: MonitoringSettings, checks: Mapping[str, Callable[[], bool]], stack: ExitStack
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
