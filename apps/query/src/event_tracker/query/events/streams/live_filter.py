"""The filters of events in Python. They mean the same as the conditions in `queries.sql` (`list_events.*`)."""

from typing import Any

import msgspec

from event_tracker.query.events.filters import EventFilter
from event_tracker.query.events.property_values import normalise
from event_tracker.query.events.responses import StoredEvent

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode


def matches(event: StoredEvent, event_filter: EventFilter) -> bool:
    """Whether the filter selects the event. Its time range is ignored."""
    return (
        (event_filter.sources is None or event.source in event_filter.sources)
        and event_filter.user_id in (None, event.user_id)
        and event_filter.session_id in (None, event.session_id)
        and (not event_filter.event_types or event.event_type in event_filter.event_types)
        and (not event_filter.properties or _has_all(event.properties, event_filter.properties))
    )


def _has_all(properties: Any, wanted: tuple[tuple[str, str], ...]) -> bool:
    members = _members(properties)
    return all(name in members and _equals(_as_text(bytes(members[name])), value) for name, value in wanted)


def _equals(stored: str | None, value: str) -> bool:
    return stored is not None and normalise(stored) == normalise(value)


def _as_text(value: bytes) -> str | None:
    """The value as PostgreSQL's `->>` returns it: a string unquoted, None for null, and JSON for anything else."""
    if value.startswith(b'"'):
        return _text(value)
    return None if value == b"null" else value.decode()
