"""The publisher: writes the records of stored events to topics, and tombstones of users who were erased."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from event_tracker.model.relaying.mark import Mark
from event_tracker.model.relaying.relay import ErasedUser, Relay
from event_tracker.model.relaying.stored_event import StoredEvent
from event_tracker.model.storing.record import VERSION, Header, make_record
from event_tracker.streams.process.relay_loop import RelayGauges, RelayLoop
from event_tracker.streams.publisher import metrics
from event_tracker.streams.publisher.record_writer import RecordWriter, TopicRecord


class Publisher(RelayLoop):
    """Moves events from the relay to the topics.

    Args:
        topic: of all events.
        filtered: more topics of each type that has some.
        wait, on_round: as `RelayLoop` says.
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
        super().__init__(relay, RelayGauges(metrics.ACTIVE, metrics.MARK_HELD_SECONDS), wait, on_round)
        self._writer = writer
        self._topic = topic
        self._filtered = filtered
        self._topics = list(dict.fromkeys([topic, *(one for topics in filtered.values() for one in topics)]))

    def write_events(self, events: Sequence[StoredEvent], mark: Mark) -> bool:
        """Write the records of events.

        Raises:
            KafkaRefusedError, KafkaException: as `RecordWriter.write` says.
        """
        return self._writer.write(self._make_records(events))

    def pass_on_erasures(self, erased: Sequence[ErasedUser], mark: Mark) -> bool:
        """Write tombstones of erased users. Raises as `write_events`."""
        return self._writer.write(make_tombstone(one, topic) for one in erased for topic in self._topics)

    def poll(self) -> None:
        """Take in what the brokers say. Raises as `write_events`."""
        self._writer.poll()

    def _make_records(self, events: Sequence[StoredEvent]) -> Iterator[TopicRecord]:
        for event in events:
            yield from make_records(event, [self._topic, *self._filtered.get(event.row.event_type, ())])


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
