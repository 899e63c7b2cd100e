"""The filters of events in Python. They mean the same as the conditions in `queries.sql` (`list_events.*`)."""

from event_tracker.query.events.filters import EventFilter
from event_tracker.query.events.responses import StoredEvent
from event_tracker.query.filters.grammar import Condition, Filter, Property
from event_tracker.query.filters.matches import EventValues, matches


class LiveFilter:
    """Selects events for one client. The time range of its filter is ignored."""

    def __init__(self, event_filter: EventFilter) -> None:
        self._filter = event_filter
        self._parts: list[Filter] = [
            Condition(Property((key,)), "is", (value,)) for key, value in event_filter.properties
        ]
        if event_filter.condition is not None:
            self._parts.append(event_filter.condition)

    def selects(self, event: StoredEvent, values: EventValues) -> bool:
        """Whether the filter selects the event; `values` are those of the event."""
        wanted = self._filter
        return (
            (wanted.sources is None or event.source in wanted.sources)
            and wanted.user_id in (None, event.user_id)
            and wanted.session_id in (None, event.session_id)
            and (not wanted.event_types or event.event_type in wanted.event_types)
            and all(matches(values, part) for part in self._parts)
        )
