"""The loop of a process that passes stored events on: read the next ones, pass them on, and then save the position."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog
from prometheus_client import Gauge

from event_tracker.core.postgres.pool import UNAVAILABLE
from event_tracker.model.relaying.mark import Mark
from event_tracker.model.relaying.relay import ErasedUser, Relay
from event_tracker.model.relaying.stored_event import StoredEvent

log = structlog.get_logger("relay")

POLL_SECONDS = 0.5
"""How often it looks for new events."""

RETRY_SECONDS = 1.0

HELD_SECONDS = 60.0
"""A transaction that holds the mark for longer than this is logged, and again after this time while it does."""

MAX_ERASED = 1000

HANDOVER_SECONDS = 2.0
"""How long a process that had to wait for its turn waits once more before it reads. The process before it may have lost its session with
PostgreSQL, and may still be writing until it sees that."""


class RelayGauges(NamedTuple):
    """The metrics that the loop sets.

    Attributes:
        active: 1 if it is its turn.
        mark_held: the age in seconds of the transaction that holds the mark.
    """

    active: Gauge
    mark_held: Gauge


class RelayLoop(ABC):
    """Moves events from a relay to where a subclass writes them.

    Args:
        wait: waits for a number of seconds, or until the process is to stop. Returns whether to go on.
        on_round: is called after each round in which the database was available.
    """

    def __init__(
        self, relay: Relay, gauges: RelayGauges, wait: Callable[[float], bool], on_round: Callable[[], object]
    ) -> None:
        self._relay = relay
        self._gauges = gauges
        self._wait = wait
        self._on_round = on_round
        self._is_available = True
        self._held_logged = float("-inf")
        self._looked = time.monotonic()
        self._is_active = False
        self._has_waited = False

    @abstractmethod
    def write_events(self, events: Sequence[StoredEvent], mark: Mark) -> bool:
        """Pass events on, and wait until that is certain.

        Args:
            mark: up to which they were read.

        Returns:
            False if it was to stop before. Then they are passed on again by who goes on.
        """

    @abstractmethod
    def pass_on_erasures(self, erased: Sequence[ErasedUser], mark: Mark) -> bool:
        """Pass erasures on, as `write_events` does events. All events that were read before have been passed on."""

    def poll(self) -> None:  # noqa: B027  # most have nothing to do
        """Is called in each round, also while the database is unavailable."""

    def run(self) -> None:
        """Work until it is to stop.

        Raises:
            Exception: as `write_events` and `pass_on_erasures` say.
            psycopg.Error: if the database refuses a statement.
        """
        pause = 0.0
        while self._wait(pause):
            self.poll()
            try:
                pause = self._work()
            except UNAVAILABLE as error:
                self._report(error)
                pause = RETRY_SECONDS
            else:
                self._is_available = True
                self._on_round()

    def measure_lag(self) -> float:
        """The lag at this moment, in seconds. It grows while nothing can be read or written."""
        return self._relay.measure_lag() + time.monotonic() - self._looked if self._is_active else 0.0

    def _work(self) -> float:
        """One round. Returns for how many seconds there is nothing to do."""
        self._is_active = self._relay.take_turn()
        self._gauges.active.set(self._is_active)
        if not self._is_active:
            self._has_waited = True
            return RETRY_SECONDS
        if self._has_waited and not self._wait(HANDOVER_SECONDS):
            return 0.0
        self._has_waited = False
        # Erasures first: events that a user has after being erased must be passed on after the erasure.
        mark = self._relay.read_mark()
        if not self._pass_on_all_erasures(mark):
            return 0.0
        batch = self._relay.read(mark)
        if not self.write_events(batch.events, mark):
            return 0.0
        self._relay.save(batch)
        self._looked = time.monotonic()
        self._watch(mark)
        return POLL_SECONDS if batch.is_last else 0.0

    def _pass_on_all_erasures(self, mark: Mark) -> bool:
        """Pass all erasures on. Returns whether to go on. All events that were read before have been passed on by now."""
        while erased := self._relay.read_erasures(MAX_ERASED):
            if not self.pass_on_erasures(erased, mark):
                return False
            self._relay.delete_erasures(erased)
            log.info("passed erasures on", users=len(erased))
        return True

    def _watch(self, mark: Mark) -> None:
        """Show for how long the mark has been held, and by whom."""
        if mark.holder_role is None:
            self._gauges.mark_held.set(0)
            return
        held = (mark.latest - mark.holder_since).total_seconds() if mark.holder_since else math.nan
        self._gauges.mark_held.set(held)
        now = time.monotonic()
        if not held < HELD_SECONDS and now - self._held_logged > HELD_SECONDS:
            self._held_logged = now
            log.warning(
                "a transaction may still commit events: nothing that was received since it began is passed on",
                pid=mark.holder_pid,
                role=mark.holder_role,
                seconds=held if math.isfinite(held) else None,
            )

    def _report(self, error: Exception) -> None:
        if self._is_available:
            log.warning("can't read: trying again each second", error=type(error).__name__)
        self._is_available = False
