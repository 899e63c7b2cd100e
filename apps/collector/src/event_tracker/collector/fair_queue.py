"""A queue of requests to be stored, with a line for each source. A source that sends much slows down nobody but itself.

Two rules make it fair. A source has half of the queue at most, counted before its events are read; a source with nothing in
the queue is always admitted. And each group takes about as many events of each waiting source.
"""

from collections import defaultdict, deque
from heapq import heappop, heappush
from types import TracebackType
from typing import Generic, TypeVar

from event_tracker.core.http.errors import Problem

Item = TypeVar("Item")


class QueuePlace(Generic[Item]):
    """A request's place in the queue, until its events are taken or its `with` block ends.

    Attributes:
        events: how many events it is for.
        item: what waits in it.
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
        """Change the number of events that it is for."""
        if events != self.events:
            more = events - self.events
            self.events = events
            self._queue.events += more
            self._queue.events_of[self.source] += more


class FairQueue(Generic[Item]):
    """Requests, first in first out for each source.

    Attributes:
        most: events that may wait; one source may have half of them. A source's only request is always admitted.
        events: how many wait, or are being read.
        events_of: the same for each source.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.events = 0
        self.events_of: defaultdict[str, int] = defaultdict(int)
        self._each = (most + 1) // 2
        # In the order in which sources are served in the next group; no line is empty.
        self._lines: dict[str, deque[QueuePlace[Item]]] = {}

    def __bool__(self) -> bool:
        """Whether a request waits."""
        return bool(self._lines)

    def reserve(self, source: str, events: int) -> QueuePlace[Item]:
        """Reserve a place for so many events; use it as a context manager.

        Raises:
            Problem: 503 if the queue is full.
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
        """Queue a request in its place, with the number of its valid events: at least one."""
        place.resize(events)
        place.item = item
        line = self._lines.get(place.source)
        if line is None:
            line = self._lines[place.source] = deque()
        line.append(place)

    def remove(self, place: QueuePlace[Item]) -> None:
        """Remove a request from the queue, if it still waits."""
        line = self._lines.get(place.source) or deque()
        if place in line:
            line.remove(place)
        if not line:
            self._lines.pop(place.source, None)

    def take(self, most: int) -> list[Item]:
        """Take the requests that are stored together: up to `most` events, but at least one request.

        The next request is always of the source with the fewest events in the group so far. A source whose next request
        doesn't fit comes first the next time.
        """
        taken: list[Item] = []
        size = 0
        sources = [(0, position, source) for position, source in enumerate(self._lines)]  # sorted, so it is a heap
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
