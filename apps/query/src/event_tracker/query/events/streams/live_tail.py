"""Reads the events that were stored since the last read."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import psycopg

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool, Row, attempt, execute, fetch_within
from event_tracker.core.postgres.replication import read_as_of
from event_tracker.query import metrics
from event_tracker.query.auth.calls import Sources
from event_tracker.query.events.event_pages import NIL, StoredEvent, make_stored_event
from event_tracker.query.events.store import JSON, MAX_BYTES
from event_tracker.query.identity import MAX_IDS, limited_ids
from event_tracker.query.parameter_types import EARLIEST

QUERIES = load_queries("event_tracker.query.events")
LIVE_EVENTS = QUERIES["live_events"].encode()

encode = msgspec.json.Encoder().encode

OVERLAP = timedelta(seconds=10)
LEAST_OVERLAP = timedelta(seconds=1)
"""How far each read goes back before the newest event seen. `received_at` is when an event's transaction began, but the event is
visible only once that is committed. The collector's transactions take 8 s at most (STATEMENT_SECONDS)."""

MANY = 5000
"""If a read finds more events than this, the overlap is halved: reading so many again each second would be too expensive."""

PAGE = 1000
"""Events that are read at once, or fewer if they reach MAX_BYTES."""

Key = tuple[datetime, datetime, str, UUID]
"""received_at, timestamp, user_id, event_id: unique, and the order of reading."""


class Tail:
    """Reads new events, each exactly once."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection]) -> None:
        self._pool = pool
        self._overlap = OVERLAP
        self._since = datetime.now(UTC)
        self._seen: set[Key] = set()
        self._links: tuple[int | None, int] | None = None
        self._links_since = "0"

    def begin(self) -> None:
        """Treat everything stored until now as seen."""
        self._since = attempt(self._pool, read_as_of) - OVERLAP
        self._seen = set()
        for _ in self.read_new():
            pass

    def read_new(self) -> Iterator[list[StoredEvent]]:
        """Pages of events that haven't been seen yet. If the database fails midway, the remaining ones come with the next call."""
        position: Key = (self._since, EARLIEST, "", NIL)
        events_read = 0
        while True:
            rows, is_whole = self._fetch(position)
            events = [make_stored_event(*row) for row in rows]
            events_read += len(events)
            new = [event for event in events if _key(event) not in self._seen]
            yield new
            self._seen.update(map(_key, new))  # afterwards, so that what couldn't be sent comes with the next call
            if is_whole and len(events) < PAGE:
                break
            position = _key(events[-1])
        self._advance(events_read)

    def have_links_changed(self) -> bool:
        """Whether links may have changed since the last call: true the first time, and perhaps once too often."""
        given = {"since": self._links_since}
        ((epoch, file, has_changed, self._links_since),) = execute(self._pool, QUERIES["live_events.links"], given)
        known, self._links = self._links, (epoch, file)
        return has_changed or known != self._links

    def read_ids(self, user_id: str, sources: Sources) -> frozenset[str]:
        """All ids of the person with this id.

        Raises:
            Problem: 422 if there are too many.
        """
        given = {"user_id": user_id, "sources": None if sources is None else list(sources), "most_ids": MAX_IDS}
        with limited_ids():
            ((ids,),) = execute(self._pool, QUERIES["live_events.ids"], given)
        return frozenset(ids)

    def _advance(self, events_read: int) -> None:
        self._overlap = max(LEAST_OVERLAP, self._overlap / 2) if events_read > MANY else min(OVERLAP, self._overlap * 2)
        if self._seen:
            self._since = max(self._since, max(self._seen)[0] - self._overlap)
            self._seen = {key for key in self._seen if key[0] >= self._since}

    def _fetch(self, position: Key) -> tuple[list[Row], bool]:
        """Up to PAGE events after a position, and whether these are complete, not cut at MAX_BYTES."""
        after = dict(zip(("received_at", "timestamp", "user_id", "event_id"), position, strict=True))
        with metrics.DB_SECONDS.labels("live_events").time():
            return fetch_within(self._pool, LIVE_EVENTS, {"rows": PAGE, **after}, most_bytes=MAX_BYTES, sized=JSON)


def _key(event: StoredEvent) -> Key:
    return event.received_at, event.timestamp, event.user_id, event.event_id
