"""Runs a consumer: builds what all of them have, and waits for its topics."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import structlog

from event_tracker.core.kafka.last_error import LastError
from event_tracker.core.kafka.topic import find_topic
from event_tracker.streams.consuming.liveness import Liveness
from event_tracker.streams.consuming.loop import StuckError
from event_tracker.streams.consuming.membership import Membership
from event_tracker.streams.consuming.metrics import ConsumerMetrics
from event_tracker.streams.consuming.positions import Positions
from event_tracker.streams.consuming.settings import ConsumerSettings
from event_tracker.streams.consuming.source import LostRecordsError, RecordSource
from event_tracker.streams.consuming.subscription import Subscription
from event_tracker.streams.process.brokers import exit_with_message, wait_for_topic
from event_tracker.streams.process.lifecycle import LoopState, serve_metrics_and_checks

log = structlog.get_logger("streams")


@dataclass(frozen=True)
class Process:
    """A consumer that runs, whose topics are there.

    Attributes:
        liveness: to be told what is done.
        is_stopping: whether it is to end.
        stack: closes what is put there, when it ends.
    """

    settings: ConsumerSettings
    positions: Positions
    membership: Membership
    liveness: Liveness
    is_stopping: Callable[[], bool]
    stack: ExitStack

    def open_source(self, subscription: Subscription) -> RecordSource:
        """Join the group. It is left at the end."""
        source = RecordSource(self.settings, subscription, self.positions, self.membership, LastError())
        self.stack.callback(source.close)
        return source


def run_consumer(
    name: str,
    settings: ConsumerSettings,
    topics: Sequence[str],
    metrics: ConsumerMetrics,
    work: Callable[[Process], None],
    more_errors: tuple[type[Exception], ...] = (),
) -> None:
    """Work until SIGTERM or Ctrl-C.

    Args:
        name: of the process.
        topics: that must be there before it begins.
        work: what it does, until `is_stopping`.
        more_errors: errors of `work` after which the process exits with their message alone.

    Raises:
        SystemExit: with an error message, if a person must do something, or if a new process may do better.
    """
    loop = LoopState()
    positions, membership = Positions(metrics), Membership(metrics)
    metrics.lag_seconds.set_function(positions.measure_lag)
    liveness = Liveness(membership, positions.count_waiting)
    checks = {
        "/livez": lambda: liveness.find_fault() is None,
        "/readyz": lambda: membership.has_joined and not loop.is_stopping(),
    }

    def go_on() -> bool:
        liveness.tick()
        return not loop.is_stopping()

    with exit_with_message(name, (LostRecordsError, StuckError, *more_errors)), ExitStack() as stack:
        serve_metrics_and_checks(name, settings, checks, stack)
        for topic in topics:
            wait_for_topic(partial(find_topic, settings, topic, name), go_on)
        log.info("starts", process=name, topics=list(topics), group=settings.kafka_group)
        work(Process(settings, positions, membership, liveness, loop.is_stopping, stack))
        log.info("stops")
