"""The filters of events in Python, with the meaning that `queries.sql` gives them (`list_events.*`)."""

from typing import Any

import msgspec

from event_tracker.query.events.filters import EventFilter
from event_tracker.query.events.property_values import plain
from event_tracker.query.events.responses import StoredEvent

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode


def matches(event: StoredEvent, asked: EventFilter) -> bool:
    """Whether the filter, its range of time aside, selects the event."""
    return (
        (asked.sources is None or event.source in asked.sources)
        and asked.user_id in (None, event.user_id)
        and asked.session_id in (None, event.session_id)
        and (not asked.event_types or event.event_type in asked.event_types)
        and (not asked.properties or _has_all(event.properties, asked.properties))
    )


def _has_all(properties: Any, wanted: tuple[tuple[str, str], ...]) -> bool:
    members = _members(properties)
    return all(name in members and _is(_as_text(bytes(members[name])), value) for name, value in wanted)


def _is(stored: str | None, value: str) -> bool:
    return stored is not None and plain(stored) == plain(value)


def _as_text(value: bytes) -> str | None:
    """What PostgreSQL's `->>` makes of a member: strings as they are, null as nothing, anything else as its JSON."""
    if value.startswith(b'"'):
        return _text(value)
    return None if value == b"null" else value.decode()
