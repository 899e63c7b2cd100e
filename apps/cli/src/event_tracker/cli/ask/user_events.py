"""One user's events from the query service: the newest of them, and new ones as they arrive."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from event_tracker.cli.client import Client, read_answer
from event_tracker.cli.options import identity_parameter

PAGE = 1000
"""The most events that the query service returns in one answer."""

OVERLAP = timedelta(minutes=10)
"""How far back a follower looks each time. An event that arrives later than this after its time is missed."""


class StoredEvent(msgspec.Struct, frozen=True):
    """An event in an answer of the query service: the fields that are shown."""

    timestamp: datetime
    event_id: str
    event_type: str
    received_at: datetime
    user_id: str = ""
    session_id: str | None = None
    properties: msgspec.Raw = msgspec.Raw(b"{}")
    json: bytes = b""

    @property
    def key(self) -> tuple[datetime, str, str]:
        """Identifies it."""
        return self.timestamp, self.event_id, self.user_id

    @property
    def sort_key(self) -> tuple[datetime, datetime, str]:
        """Orders its user's events. Those of the same time are in the order of arrival."""
        return self.timestamp, self.received_at, self.event_id


class ReadsEvents(Protocol):
    """The events of one user, wherever they are read."""

    def newest(self, limit: int) -> Iterator[StoredEvent]:
        """Fetch up to `limit` events, newest first."""

    def since(self, start: datetime | None) -> list[StoredEvent]:
        """Fetch all events from a time on, or all events if it is None."""


class _Page(msgspec.Struct):
    events: list[msgspec.Raw]
    next_cursor: str | None


class UserEvents:
    """The events of one user, all of them or of some types and sources, or with some filters."""

    def __init__(
        self,
        client: Client,
        user_id: str,
        types: Sequence[str],
        sources: Sequence[str] = (),
        filter_texts: Sequence[str] = (),
        *,
        is_raw: bool = False,
    ) -> None:
        self.client = client
        selected = {"event_type": list(types), "source": list(sources), "filter": list(filter_texts)}
        self.filters: dict[str, Any] = {"user_id": user_id, **identity_parameter(is_raw), **selected}

    def newest(self, limit: int) -> Iterator[StoredEvent]:
        """Fetch up to `limit` events, newest first."""
        left = limit
        for page in self._pages(min(limit, PAGE)):
            yield from page[:left]
            left -= len(page)
            if left <= 0:
                return

    def since(self, start: datetime | None) -> list[StoredEvent]:
        """Fetch all events from a time on, or all events if it is None."""
        bounds = {} if start is None else {"from": start.isoformat()}
        return [event for page in self._pages(PAGE, **bounds) for event in page]

    def _pages(self, size: int, **bounds: str) -> Iterator[list[StoredEvent]]:
        parameters = {**self.filters, **bounds, "limit": size}
        while True:
            page = read_answer(self.client.get("/events", parameters), _Page)
            yield [
                msgspec.structs.replace(msgspec.json.decode(raw, type=StoredEvent), json=bytes(raw))
                for raw in page.events
            ]
            if page.next_cursor is None:
                return
            parameters["cursor"] = page.next_cursor


class EventFollower:
    """Returns each event once: first the newest stored ones, then new ones at each call.

    It requests the last minutes again each time, because events may arrive out of order, and remembers which it has returned.
    """

    def __init__(self, events: ReadsEvents, backlog: int) -> None:
        self.events = events
        self.backlog = backlog
        self._shown: set[tuple[datetime, str, str]] = set()
        self._newest: datetime | None = None

    def first(self) -> list[StoredEvent]:
        """The newest stored events, oldest first."""
        newest = list(self.events.newest(self.backlog))
        self._advance(newest)
        known = {event.key: event for event in [*newest, *self.events.since(self._start())]}
        self._shown = set(known)
        self._advance(known.values())
        return _in_order(known.values())[-self.backlog :]

    def fresh(self) -> list[StoredEvent]:
        """The events that weren't returned yet, oldest first."""
        start = self._start()
        recent = self.events.since(start)
        fresh = [event for event in recent if event.key not in self._shown]
        # Events before `start` won't be requested again: the next start is never earlier than this one.
        self._shown = {event.key for event in recent}
        self._advance(fresh)
        return _in_order(fresh)

    def _start(self) -> datetime | None:
        return None if self._newest is None else self._newest - OVERLAP

    def _advance(self, events: Iterable[StoredEvent]) -> None:
        """Note the newest time, at most the present: some events have future times, and continuing there would miss others."""
        times = [min(event.timestamp, datetime.now(UTC)) for event in events]
        self._newest = max([self._newest, *times] if self._newest else times, default=None)


def _in_order(events: Iterable[StoredEvent]) -> list[StoredEvent]:
    return sorted(events, key=lambda event: event.sort_key)
