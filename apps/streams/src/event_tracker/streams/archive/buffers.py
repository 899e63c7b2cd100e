"""Records that wait for their file, by partition. Nothing here speaks to Kafka."""

import time
from collections import deque
from dataclasses import dataclass, field

from confluent_kafka import Message

from event_tracker.streams.archive.claim import Claim, read_claim
from event_tracker.streams.archive.lines import measure
from event_tracker.streams.consuming.positions import Partition


@dataclass
class Buffer:
    """The records of one partition that were read and aren't in a file yet.

    Attributes:
        claim: the file that is to be written next, once it is decided.
        is_inherited: whether another process, or this one before a crash, has decided it, and may have written it.
    """

    records: deque[tuple[float, Message]] = field(default_factory=deque)  # each with the time at which it was read
    bytes: int = 0
    claim: Claim | None = None
    is_inherited: bool = False


class Buffers:
    """All of them.

    Args:
        max_records, max_bytes: of a file.
        max_seconds: how long a record waits.
        max_total_bytes: of all records that wait.
    """

    def __init__(self, *, max_records: int, max_bytes: int, max_seconds: float, max_total_bytes: int) -> None:
        self._max_records, self._max_bytes, self._max_seconds = max_records, max_bytes, max_seconds
        self._max_total_bytes = max_total_bytes
        self._buffers: dict[Partition, Buffer] = {}

    def __getitem__(self, partition: Partition) -> Buffer:
        return self._buffers[partition]

    def __contains__(self, partition: Partition) -> bool:
        return partition in self._buffers

    def begin(self, partition: Partition, text: str) -> None:
        """Begin a partition that was assigned, with the text that is committed with its offset."""
        claim = read_claim(text)
        self._buffers[partition] = Buffer(claim=claim, is_inherited=claim is not None)

    def drop(self, partition: Partition) -> None:
        """Forget a partition that is another member's now, which reads its records itself."""
        self._buffers.pop(partition, None)

    def add(self, partition: Partition, record: Message) -> None:
        """Add the next record of a partition."""
        if buffer := self._buffers.get(partition):
            buffer.records.append((time.monotonic(), record))
            buffer.bytes += measure(record)

    def count(self) -> int:
        """Records that wait."""
        return sum(len(buffer.records) for buffer in self._buffers.values())

    def find_due(self) -> list[Partition]:
        """The partitions of which a file is to be written."""
        due = [partition for partition, buffer in self._buffers.items() if buffer.records and self._is_due(buffer)]
        if not due and sum(buffer.bytes for buffer in self._buffers.values()) > self._max_total_bytes:
            free = {partition: buffer.bytes for partition, buffer in self._buffers.items() if buffer.claim is None}
            due = [max(free, key=lambda partition: free[partition])] if free else []
        return due

    def first(self, partition: Partition) -> int:
        """The offset of the first record that waits."""
        return self._buffers[partition].records[0][1].offset() or 0

    def choose_last(self, partition: Partition) -> int:
        """The last offset of the next file: as many records as fit into it, and at least one."""
        last = size = 0
        for number, (_, record) in enumerate(self._buffers[partition].records):
            size += measure(record)
            if number and (size > self._max_bytes or number >= self._max_records):
                break
            last = record.offset() or 0
        return last

    def look(self, partition: Partition) -> list[Message]:
        """The records of the file that is decided. They stay."""
        buffer = self._buffers[partition]
        last = buffer.claim.last if buffer.claim else -1
        return [record for _, record in buffer.records if (record.offset() or 0) <= last]

    def remove(self, partition: Partition, number: int) -> None:
        """Remove the first records, which are in a file now."""
        buffer = self._buffers[partition]
        for _ in range(number):
            buffer.bytes -= measure(buffer.records.popleft()[1])
        buffer.claim, buffer.is_inherited = None, False

    def _is_due(self, buffer: Buffer) -> bool:
        if buffer.claim is not None:
            return (buffer.records[-1][1].offset() or 0) >= buffer.claim.last
        is_full = len(buffer.records) >= self._max_records or buffer.bytes >= self._max_bytes
        return is_full or time.monotonic() - buffer.records[0][0] >= self._max_seconds
