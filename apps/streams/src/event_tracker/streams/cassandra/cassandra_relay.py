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
"""Events that are written at once. After each such batch it checks whether it is to stop."""

LOG_SECONDS = 60.0
"""While Cassandra is unavailable, that is logged once in this time."""


class WriteTimes:
    """Makes the time of each write, later than that of the write before. So an erasure deletes what was written before it, and not what
    is written after it.

    The times are read from PostgreSQL's clock, and not from this machine's. So they also grow from one process's turn to the next one's.
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
        """Write events, and try those that fail again until they are written.

        Raises:
            CassandraRefusedError: if a person must change something first.
        """
        at = self._times.next(mark)
        return all(
            self._write(events[start : start + MAX_IN_FLIGHT], at) for start in range(0, len(events), MAX_IN_FLIGHT)
        )

    def pass_on_erasures(self, erased: Sequence[ErasedUser], mark: Mark) -> bool:
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
                self._count_or_raise(error)
            if not self._wait_to_retry():
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
                self._count_or_raise(error)
            else:
                metrics.ERASURES.inc()
                return self._wait(0.0)
            if not self._wait_to_retry():
                return False

    def _wait_to_retry(self) -> bool:
        """Wait before trying again. False if the process is to stop, or has lost its turn."""
        return self._wait(RETRY_SECONDS) and self._relay.has_turn()

    def _count_or_raise(self, error: Exception) -> None:
        """Count an error, and raise if trying again doesn't help.

        Raises:
            CassandraRefusedError: if a person must change something first.
            Exception: the error itself, if it is none of Cassandra's.
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
