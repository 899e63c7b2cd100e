"""What waits to be stored, in a line for each source: one that sends much is stored slowly itself, and nobody else is.

Two things make it fair. A source has half of the queue at most, from before its events are read, and one that has nothing in
it is always let in. And of what waits, each source is given about as many events in a group as every other.
"""

from collections import defaultdict, deque
from heapq import heappop, heappush
from types import TracebackType
from typing import Generic, TypeVar

from event_tracker.core.http.errors import Problem

Item = TypeVar("Item")


class QueuePlace(Generic[Item]):
    """A request's in the queue, until its events are taken or the block ends that has it.

    Attributes:
        events: for how many events.
        item: what waits there.
    """

    __slots__ = ("_queue", "events", "item", "source")

    item: Item

    def __init__(self, queue: "FairQueue[Item]", source: str) -> None:
        self._queue = queue
        self.source = source
        self.events = 0

    def __enter__(self) -> "QueuePlace[Item]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.resize(0)

    def resize(self, events: int) -> None:
        """Have it for so many."""
        if events != self.events:
            more = events - self.events
            self.events = events
            self._queue.events += more
            self._queue.events_of[self.source] += more


class FairQueue(Generic[Item]):
    """Requests, first in first out for each source.

    Attributes:
        most: events that may wait; one source's may be half of them. Each source's only request is let in in any case.
        events: how many wait, or are being read and will.
        events_of: of them, each source's.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.events = 0
        self.events_of: defaultdict[str, int] = defaultdict(int)
        self._each = (most + 1) // 2
        # In the order in which sources come first in a group; no line is empty.
        self._lines: dict[str, deque[QueuePlace[Item]]] = {}

    def __bool__(self) -> bool:
        """Whether there is something to take."""
        return bool(self._lines)

    def reserve(self, source: str, events: int) -> QueuePlace[Item]:
        """A place for so many events; use it as a context manager.

        Raises:
            Problem: 503 if there is none.
        """
        waiting = self.events_of[source]
        if waiting and waiting + events > self._each:
            raise _queue_full("Too many events of this source")
        if waiting and self.events + events > self.most:
            raise _queue_full("Too many events")
        place = QueuePlace(self, source)
        place.resize(events)
        return place

    def put(self, place: QueuePlace[Item], item: Item, events: int) -> None:
        """Let a request wait in its place, with as many events as turned out to be valid: one at least."""
        place.resize(events)
        place.item = item
        line = self._lines.get(place.source)
        if line is None:
            line = self._lines[place.source] = deque()
        line.append(place)

    def remove(self, place: QueuePlace[Item]) -> None:
        """Let a request wait no more, if it still does."""
        line = self._lines.get(place.source) or deque()
        if place in line:
            line.remove(place)
        if not line:
            self._lines.pop(place.source, None)

    def take(self, most: int) -> list[Item]:
        """Requests to be stored together, of up to so many events; one request at least.

        The next is always of the source that has the fewest events among them. A source whose next doesn't fit comes before the
        others the next time.
        """
        taken: list[Item] = []
        size = 0
        sources = [(0, position, source) for position, source in enumerate(self._lines)]  # sorted, and so a heap
        while sources:
            has, position, source = heappop(sources)
            line = self._lines[source]
            events = line[0].events
            if taken and size + events > most:
                continue
            place = line.popleft()
            place.resize(0)
            taken.append(place.item)
            size += events
            if not has or not line:
                del self._lines[source]
            if line:
                self._lines[source] = line  # behind the others
                heappush(sources, (has + events, position, source))
        return taken


def _queue_full(what: str) -> Problem:
    detail = f"{what} are waiting to be stored. Nothing of this request is stored: send it again."
    return Problem(503, "queue_full", detail)
