"""Imports a batch of records: maps them, posts them, and counts what became of them."""

from collections.abc import Sequence
from typing import NamedTuple

import structlog
from confluent_kafka import Message

from event_tracker.streams.importer import metrics
from event_tracker.streams.importer.collector import Collector, Refusal, TooLargeError
from event_tracker.streams.importer.mapping import EventMapping, UnreadableError, describe_unreadable

log = structlog.get_logger("importer")

MAX_LOGGED = 10
"""Of each batch, so many refused records are logged."""

TOO_LARGE = "It is larger than the collector takes."


class Mapped(NamedTuple):
    """A record, and what is posted of it.

    Attributes:
        is_readable: False if the event only says which record it is, so that the collector refuses and keeps it.
    """

    record: Message
    event: bytes
    is_readable: bool


class Importer:
    """Imports batches. What it does may be done again: events have ids."""

    def __init__(self, mapping: EventMapping, collector: Collector) -> None:
        self._mapping = mapping
        self._collector = collector

    def store(self, records: Sequence[Message]) -> None:
        """Import records. All is stored, accepted or refused when it returns.

        Raises:
            CollectorUnavailableError, CollectorRefusedError: as `Collector.post` says. A part may be imported.
        """
        mapped = [self._map(record) for record in records if record.value() is not None]
        metrics.RECORDS.labels("tombstone").inc(len(records) - len(mapped))
        if mapped:
            self._post(mapped)

    def _map(self, record: Message) -> Mapped:
        try:
            return Mapped(record, self._mapping.make_event(record), is_readable=True)
        except UnreadableError as error:
            return Mapped(record, describe_unreadable(record, str(error)), is_readable=False)

    def _post(self, mapped: Sequence[Mapped]) -> None:
        try:
            outcome = self._collector.post([one.event for one in mapped])
        except TooLargeError:
            self._post_less(mapped)
            return
        for name, number in outcome.counts.items():
            metrics.RECORDS.labels(name).inc(number)
        for index, refusals in outcome.refused.items():
            metrics.RECORDS.labels("refused" if mapped[index].is_readable else "unreadable").inc()
            if index in list(outcome.refused)[:MAX_LOGGED]:
                _log(mapped[index].record, refusals)
        if len(outcome.refused) > MAX_LOGGED:
            log.warning("more records are refused", records=len(outcome.refused) - MAX_LOGGED)

    def _post_less(self, mapped: Sequence[Mapped]) -> None:
        """Post halves of what was too large; of one that is too large alone, only which it is."""
        (first, *others) = mapped
        if not others and not first.is_readable:  # a collector that takes next to nothing
            metrics.RECORDS.labels("unreadable").inc()
            _log(first.record, [Refusal(0, "too_large", TOO_LARGE)])
            return
        if not others:
            self._post([Mapped(first.record, describe_unreadable(first.record, TOO_LARGE), is_readable=False)])
            return
        middle = len(mapped) // 2
        self._post(mapped[:middle])
        self._post(mapped[middle:])


def _log(record: Message, refusals: Sequence[Refusal]) -> None:
    """Say where a refused record is, and why, without its content, which is data about people."""
    log.warning(
        "a record is refused",
        topic=record.topic(),
        partition=record.partition(),
        offset=record.offset(),
        errors=sorted({f"{one.pointer.partition('/')[2].partition('/')[2]}: {one.code}" for one in refusals}),
    )
