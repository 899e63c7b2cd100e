"""Events that wait in memory."""

from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

MAX_BATCH_EVENTS = 1000
MAX_BATCH_BYTES = 5 * 1024 * 1024
"""The collector's default limits for a request. If its limits are lower, it answers 413, and the batch is halved."""


class QueueFullError(Exception):
    """An event can't be queued; the message says why."""


@dataclass(frozen=True)
class Batch:
    """Events for one request.

    Attributes:
        lines: the JSON of each.
        file: where they are kept, if they are on disk.
    """

    lines: list[bytes]
    file: Any = None


class Queue(Protocol):
    """Events that wait, the oldest first. Whoever calls it has the lock of the delivery."""

    def put(self, line: bytes) -> None:
        """Raises: QueueFullError."""

    def take(self) -> Batch | None:
        """The next batch. It remains the queue's, as far as limits are concerned, until `remove`."""

    def remove(self, batch: Batch) -> None:
        """Forget a batch of which the collector has answered for every event."""

    def adopt(self) -> None:
        """Take over what processes that have ended left behind."""

    def waiting(self) -> int:
        """The number of events that `take` hasn't returned."""

    def close(self) -> list[bytes]:
        """Free what the queue holds. Returns the events that are lost with it."""


class MemoryQueue:
    """See Queue."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self._max_events, self._max_bytes = max_events, max_bytes
        self._lines: deque[bytes] = deque()
        self._events = self._bytes = 0  # with those of the batch that is taken

    def put(self, line: bytes) -> None:
        if self._events >= self._max_events:
            raise QueueFullError(f"{self._events} events wait already; {self._max_events} are allowed.")
        if self._bytes + len(line) > self._max_bytes:
            raise QueueFullError(f"{self._bytes} bytes wait already; {self._max_bytes} are allowed.")
        self._lines.append(line)
        self._events += 1
        self._bytes += len(line)

    def take(self) -> Batch | None:
        lines: list[bytes] = []
        size = 0
        while self._lines and len(lines) < MAX_BATCH_EVENTS and size + len(self._lines[0]) + 1 <= MAX_BATCH_BYTES:
            lines.append(self._lines.popleft())
            size += len(lines[-1]) + 1
        return Batch(lines) if lines else None

    def remove(self, batch: Batch) -> None:
        self._events -= len(batch.lines)
        self._bytes -= sum(map(len, batch.lines))

    def adopt(self) -> None:
        pass

    def waiting(self) -> int:
        return len(self._lines)

    def close(self) -> list[bytes]:
        lost = list(self._lines)
        self._lines.clear()
        return lost
