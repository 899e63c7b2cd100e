"""Answers about events. Both the JSON and its schema are made from these types."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from event_tracker.query.answers import Time
from event_tracker.query.events.cursor import Position
from event_tracker.query.identity import Identity


class StoredEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An event."""

    user_id: str
    event_type: str
    timestamp: Time
    event_id: UUID
    session_id: str | None
    # The JSON as PostgreSQL writes it; it isn't parsed.
    properties: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
    received_at: Time
    source: str


def make_stored_event(
    user_id: str, event_type: str, timestamp: datetime, event_id: UUID, session_id: str | None, json: str, *rest: Any
) -> StoredEvent:
    """Make an event from a row of the statements in `queries.sql`."""
    return StoredEvent(user_id, event_type, timestamp, event_id, session_id, msgspec.Raw(json), *rest)


class Page(msgspec.Struct, frozen=True):
    """Events, newest first, and the position of the next page, if there is one."""

    events: list[StoredEvent]
    next: Position | None


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The time range of a response, from `from` (included) to `to` (excluded)."""

    start: Time = field(name="from")
    end: Time = field(name="to")


class EventPage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page of events, newest first."""

    events: list[StoredEvent]
    next_cursor: Annotated[str | None, Meta(description="Of the next page; null when there is none.")]
    identity: Annotated[Identity, Meta(description="Whom `user_id` is.")]
    window: Annotated[Window | UnsetType, Meta(description="Only without `user_id`.")] = UNSET


class SourceNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of sources, in their order."""

    sources: list[str]


class TypeCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A type and its count."""

    event_type: str
    count: int
    share: Annotated[float, Meta(description="Of `total`, 0 to 1.")]


Bound = Annotated[Time | None, Meta(description="As asked; null is no bound.")]


class TopTypes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Exact counts by type."""

    start: Bound = field(name="from")
    end: Bound = field(name="to")
    tz: Annotated[str, Meta(extra_json_schema={"enum": ["UTC"]})]
    as_of: Annotated[Time, Meta(description="What was committed by then is counted.")]
    items: Annotated[list[TypeCount], Meta(description="Most frequent first, ties by name.")]
    total: Annotated[int, Meta(description="Events of all types, listed or not.")]
