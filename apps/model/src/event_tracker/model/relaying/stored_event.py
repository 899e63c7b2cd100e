"""A stored event, as a relay reads it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from event_tracker.model.storing.record import read_violations
from event_tracker.model.storing.row import Row


class StoredEvent(NamedTuple):
    """An event as it is stored, and when it was received."""

    row: Row
    received_at: datetime


def read_event(
    properties: str,
    user_id: str,
    timestamp: datetime,
    event_id: UUID,
    event_type: str,
    session_id: str | None,
    source: str,
    violations: str | None,
    received_at: datetime,
) -> StoredEvent:
    """The event of a row of `read_events` (relays.sql)."""
    row = Row(
        user_id,
        timestamp,
        event_id.bytes,
        event_type,
        session_id,
        properties.encode(),
        source,
        read_violations(violations.encode()) if violations else None,
    )
    return StoredEvent(row, received_at)
