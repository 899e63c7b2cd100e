"""How far a consumer is in each of its partitions, and how far it is behind. Nothing here speaks to Kafka."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from event_tracker.streams.consuming.metrics import ConsumerMetrics


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


@dataclass
class Position:
    """How far one partition is.

    Attributes:
        offset: of the next record that isn't done yet; None before the first one, if the group had committed none.
        reference: what the lag in seconds is measured from, in seconds since 1970.
        waiting: records that aren't done yet, when that was last looked at.
        is_committed: whether Kafka knows the offset.
        is_unread: whether no record of it was read since it was assigned.
    """

    offset: int | None
    reference: float
    waiting: int = 0
    is_committed: bool = True
    is_unread: bool = True


class Positions:
    """The positions of the partitions that are assigned. One thread changes them; others may ask for the lag.

    Attributes:
        metrics: what is shown of them.
    """

    def __init__(self, metrics: ConsumerMetrics) -> None:
        self.metrics = metrics
        self._positions: dict[Partition, Position] = {}

    def __contains__(self, partition: Partition) -> bool:
        """Whether the partition is assigned to this process."""
        return partition in self._positions

    def assign(self, offsets: dict[Partition, int | None]) -> None:
        """Add partitions that were assigned, with the offsets that are committed."""
        now = time.time()
        self._positions |= {partition: Position(offset, now) for partition, offset in offsets.items()}
        self.metrics.assigned.set(len(self._positions))

    def remove(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions that are another member's now."""
        for partition in partitions:
            if self._positions.pop(partition, None):
                self.metrics.lag_records.remove(partition.topic, str(partition.number))
        self.metrics.assigned.set(len(self._positions))

    def begin(self, partition: Partition, written: float) -> None:
        """Note that a record was read, which isn't done yet. The first one tells how long the partition has been behind, which nobody
        knows at its assignment.

        Args:
            written: its timestamp, in seconds since 1970.
        """
        position = self._positions.get(partition)
        if position and position.is_unread:
            position.is_unread = False
            if written > 0:  # it may have no time
                position.reference = min(position.reference, written)

    def advance(self, partition: Partition, offset: int, written: float) -> None:
        """Note that a record is done (stored, say), and all before it in its partition.

        Args:
            offset: the record's.
            written: its timestamp, in seconds since 1970.
        """
        position = self._positions.get(partition)
        if position and (position.offset is None or offset >= position.offset):
            position.waiting = max(0, position.waiting - (offset + 1 - (position.offset or 0)))
            position.offset, position.is_committed = offset + 1, False
            position.reference = max(position.reference, written) if not position.waiting else written

    def observe(self, partition: Partition, first: int, end: int) -> None:
        """Note where a partition begins and ends."""
        position = self._positions.get(partition)
        if position is None:
            return
        position.waiting = max(0, end - max(first, position.offset or 0))
        if not position.waiting:
            position.reference = time.time()
        self.metrics.lag_records.labels(partition.topic, str(partition.number)).set(position.waiting)

    def settle(self, partition: Partition, offset: int) -> None:
        """Note that Kafka knows an offset, which was committed in another way."""
        position = self._positions.get(partition)
        if position and (position.offset is None or position.offset <= offset):
            position.is_committed = True

    def take_uncommitted(self) -> dict[Partition, int]:
        """The offsets that Kafka doesn't know yet. They count as known now: see `refuse`."""
        offsets = {
            partition: position.offset
            for partition, position in self._positions.items()
            if not position.is_committed and position.offset is not None
        }
        for partition in offsets:
            self._positions[partition].is_committed = True
        return offsets

    def refuse(self, partitions: Iterable[Partition]) -> None:
        """Note that the offsets of these partitions couldn't be committed. They are tried again with the next ones."""
        for partition in partitions:
            if position := self._positions.get(partition):
                position.is_committed = False

    @property
    def all(self) -> list[Partition]:
        """The partitions that are assigned."""
        return list(self._positions)

    def count_waiting(self) -> int:
        """Records that aren't done yet, when that was last looked at."""
        return sum(position.waiting for position in list(self._positions.values()))

    def measure_lag(self) -> float:
        """Seconds that the partition is behind which is behind the most; 0 if nothing waits."""
        now = time.time()
        behind = [now - position.reference for position in list(self._positions.values()) if position.waiting]
        return max(0.0, *behind) if behind else 0.0
