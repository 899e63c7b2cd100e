"""Response types of events."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from event_tracker.query.events.cursor import Position


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """An event. `properties` is its JSON as PostgreSQL writes it; it isn't parsed."""

    user_id: str
    event_type: str
    timestamp: datetime
    event_id: UUID
    session_id: str | None
    properties: msgspec.Raw
    received_at: datetime
    source: str


def make_stored_event(
    user_id: str, event_type: str, timestamp: datetime, event_id: UUID, session_id: str | None, json: str, *rest: Any
) -> StoredEvent:
    """Make an event from a row of the statements in `queries.sql`."""
    return StoredEvent(user_id, event_type, timestamp, event_id, session_id, msgspec.Raw(json), *rest)


class EventPage(msgspec.Struct, frozen=True):
    """Events, newest first, and the position of the next page, if there is one."""

    events: list[StoredEvent]
    next: Position | None


class TypeCount(msgspec.Struct, frozen=True):
    """How many events have a type, and their share of all in the range, 0 to 1."""

    event_type: str
    count: int
    share: float


class TopTypes(msgspec.Struct, frozen=True):
    """The most frequent types first, ties by name.

    Attributes:
        as_of: what was committed by then is counted.
        total: events of all types, listed or not.
    """

    as_of: datetime
    items: list[TypeCount]
    total: int
