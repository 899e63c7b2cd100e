"""The publisher's loop: read the next stored events, write their records, and when the brokers have them, save the position."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import structlog

from event_tracker.core.postgres.pool import UNAVAILABLE
from event_tracker.model.relaying.mark import Mark
from event_tracker.model.relaying.relay import Batch, ErasedUser, Relay
from event_tracker.model.relaying.stored_event import StoredEvent
from event_tracker.model.storing.record import VERSION, Header, make_record
from event_tracker.streams.publisher import metrics
from event_tracker.streams.publisher.record_writer import RecordWriter, TopicRecord

log = structlog.get_logger("publisher")

POLL_SECONDS = 0.5
"""How often it looks for new events."""

RETRY_SECONDS = 1.0

HELD_SECONDS = 60.0
"""Who holds the mark longer than this is named in the log, once in so many seconds."""

MAX_ERASED = 1000

HANDOVER_SECONDS = 2.0
"""Who waited for its turn waits so much longer: the one before may have lost its session, and stops writing when it sees that."""


class Publisher:
    """Moves events from the relay to the topics.

    Args:
        topic: of all events.
        filtered: more topics of each type that has some.
        wait: waits so many seconds, or until it is to stop. Whether to go on.
        on_round: is called after each round in which the database was available.
    """

    def __init__(
        self,
        relay: Relay,
        writer: RecordWriter,
        topic: str,
        filtered: Mapping[str, Sequence[str]],
        wait: Callable[[float], bool],
        on_round: Callable[[], object],
    ) -> None:
        self._relay = relay
        self._writer = writer
        self._topic = topic
        self._filtered = filtered
        self._topics = list(dict.fromkeys([topic, *(one for topics in filtered.values() for one in topics)]))
        self._wait = wait
        self._is_available = True
        self._held_logged = float("-inf")
        self._looked = time.monotonic()
        self._on_round = on_round
        self._is_active = False
        self._has_waited = False

    def run(self) -> None:
        """Work until it is to stop.

        Raises:
            KafkaRefusedError, KafkaException: as `RecordWriter.write` says.
            psycopg.Error: if the database refuses a statement.
        """
        pause = 0.0
        while self._wait(pause):
            self._writer.poll()
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
        metrics.ACTIVE.set(self._is_active)
        if not self._is_active:
            self._has_waited = True
            return RETRY_SECONDS
        if self._has_waited and not self._wait(HANDOVER_SECONDS):
            return 0.0
        self._has_waited = False
        # In this order: who comes back after an erasure has their new events behind the tombstone.
        mark = self._relay.read_mark()
        if not self._tell_erasures():
            return 0.0
        batch = self._relay.read(mark)
        if not self._writer.write(self._make_records(batch)):
            return 0.0
        self._relay.save(batch)
        self._looked = time.monotonic()
        self._watch(mark)
        return POLL_SECONDS if batch.is_last else 0.0

    def _make_records(self, batch: Batch) -> Iterator[TopicRecord]:
        for event in batch.events:
            yield from make_records(event, [self._topic, *self._filtered.get(event.row.event_type, ())])

    def _tell_erasures(self) -> bool:
        """Write tombstones of all erased users. Whether to go on. All of their events that were read before are written by now."""
        while erased := self._relay.read_erasures(MAX_ERASED):
            if not self._writer.write(make_tombstone(one, topic) for one in erased for topic in self._topics):
                return False
            self._relay.delete_erasures(erased)
            log.info("published erasures", users=len(erased))
        return True

    def _watch(self, mark: Mark) -> None:
        """Show for how long the mark has been held, and by whom."""
        if mark.holder_role is None:
            metrics.MARK_HELD_SECONDS.set(0)
            return
        held = (mark.latest - mark.holder_since).total_seconds() if mark.holder_since else math.nan
        metrics.MARK_HELD_SECONDS.set(held)
        now = time.monotonic()
        if not held < HELD_SECONDS and now - self._held_logged > HELD_SECONDS:
            self._held_logged = now
            log.warning(
                "a transaction may still commit events: nothing that was received since it began is published",
                pid=mark.holder_pid,
                role=mark.holder_role,
                seconds=held if math.isfinite(held) else None,
            )

    def _report(self, error: Exception) -> None:
        if self._is_available:
            log.warning("can't read: trying again each second", error=type(error).__name__)
        self._is_available = False


def make_records(event: StoredEvent, topics: Sequence[str]) -> Iterator[TopicRecord]:
    """The records of an event, one for each topic."""
    record = make_record(event.row, None, received_at=event.received_at)
    for topic in topics:
        yield TopicRecord(topic, *record)


def make_tombstone(erased: ErasedUser, topic: str) -> TopicRecord:
    """The record without a value that says that a user's events are gone. If only those of some sources are, a header names them."""
    headers: list[Header] = [("v", VERSION)]
    if erased.sources is not None:
        headers.append(("sources", msgspec.json.encode(erased.sources)))
    return TopicRecord(topic, erased.user_id.encode(), None, headers)
