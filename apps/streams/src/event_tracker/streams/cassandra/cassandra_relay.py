"""Writes stored events to Cassandra, and deletes there who was erased."""

import time
from collections.abc import Callable, Sequence

import structlog

from event_tracker.core.cassandra.connection import ERRORS, CassandraRefusedError, describe_error, find_refusal
from event_tracker.core.cassandra.settings import CassandraSettings
from event_tracker.model.cassandra.user_event_writer import UserEventWriter
from event_tracker.model.cassandra.user_events import count_micros
from event_tracker.model.relaying.mark import Mark
from event_tracker.model.relaying.relay import ErasedUser, Relay
from event_tracker.model.relaying.stored_event import StoredEvent
from event_tracker.streams.cassandra import metrics
from event_tracker.streams.process.relay_loop import RETRY_SECONDS, RelayGauges, RelayLoop

log = structlog.get_logger("cassandra-relay")

MAX_IN_FLIGHT = 128
"""Events that are written at once. After so many it sees whether it is to stop."""

LOG_SECONDS = 60.0
"""That Cassandra is unavailable is logged once in so many seconds."""


class WriteTimes:
    """The times of writes, each later than the one before: an erasure's is behind what it deletes, and before what comes later.

    They are those of PostgreSQL's clock, and not of this machine's: after another process's turn, they go on behind its own.
    """

    def __init__(self) -> None:
        self._last = 0

    def next(self, mark: Mark) -> int:
        """The next time, in microseconds."""
        self._last = max(self._last + 1, count_micros(mark.latest))
        return self._last


class CassandraRelay(RelayLoop):
    """Moves events from the relay to the table.

    Args:
        wait, on_round: as `RelayLoop` says.
    """

    def __init__(
        self,
        relay: Relay,
        writer: UserEventWriter,
        settings: CassandraSettings,
        wait: Callable[[float], bool],
        on_round: Callable[[], object],
    ) -> None:
        super().__init__(relay, RelayGauges(metrics.ACTIVE, metrics.MARK_HELD_SECONDS), wait, on_round)
        self._writer = writer
        self._settings = settings
        self._times = WriteTimes()
        self._logged = float("-inf")

    def write_events(self, events: Sequence[StoredEvent], mark: Mark) -> bool:
        """Write events, those that fail again and again.

        Raises:
            CassandraRefusedError: if a person must change something first.
        """
        at = self._times.next(mark)
        return all(
            self._write(events[start : start + MAX_IN_FLIGHT], at) for start in range(0, len(events), MAX_IN_FLIGHT)
        )

    def tell_erased(self, erased: Sequence[ErasedUser], mark: Mark) -> bool:
        """Delete the events of erased users. Raises as `write_events`."""
        at = self._times.next(mark)
        return all(self._delete(one, at) for one in erased)

    def _write(self, events: Sequence[StoredEvent], at: int) -> bool:
        left = list(events)
        while True:
            failed = self._writer.write(left, at)
            metrics.EVENTS.inc(len(left) - len(failed))
            if not failed:
                return self._wait(0.0)
            for _, error in failed:
                self._note(error)
            if not self._wait_for_turn():
                return False
            left = [event for event, _ in failed]

    def _delete(self, erased: ErasedUser, at: int) -> bool:
        while True:
            try:
                if erased.sources is None:
                    self._writer.delete_user(erased.user_id, at)
                else:
                    self._writer.delete_events(erased.user_id, erased.sources, at)
            except ERRORS as error:
                self._note(error)
            else:
                metrics.ERASURES.inc()
                return self._wait(0.0)
            if not self._wait_for_turn():
                return False

    def _wait_for_turn(self) -> bool:
        """Wait before trying again. False if it is to stop, or another's turn."""
        return self._wait(RETRY_SECONDS) and self._relay.has_turn()

    def _note(self, error: Exception) -> None:
        """Count an error that may pass.

        Raises:
            CassandraRefusedError: if it doesn't.
        """
        metrics.ERRORS.labels(type(error).__name__).inc()
        if not isinstance(error, ERRORS):
            raise error
        if refusal := find_refusal(error, self._settings):
            raise CassandraRefusedError(refusal)
        if time.monotonic() - self._logged > LOG_SECONDS:
            self._logged = time.monotonic()
            log.warning(
                "can't write: trying again each second", error=type(error).__name__, cause=describe_error(error)
            )
