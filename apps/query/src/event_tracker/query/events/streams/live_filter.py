"""The filters of events in Python. They mean the same as the conditions in `queries.sql` (`list_events.*`)."""

from event_tracker.query.events.event_pages import StoredEvent
from event_tracker.query.events.parameters import EventQuery
from event_tracker.query.filters.grammar import Condition, Filter, Property
from event_tracker.query.filters.matches import EventValues, matches


class LiveFilter:
    """Selects events for one client. The time range of its filter is ignored.

    Attributes:
        person: whose ids `user_ids` should be, and for which sources; None if no links are followed.
        user_ids: the users whose events are selected; None is all.
    """

    def __init__(self, event_query: EventQuery) -> None:
        self._filter = event_query
        user_id = event_query.user_id
        self.user_ids = None if user_id is None else frozenset({user_id})
        self.person = None if user_id is None or event_query.identity == "raw" else (user_id, event_query.sources)
        self._parts: list[Filter] = [
            Condition(Property((key,)), "is", (value,)) for key, value in event_query.properties
        ]
        if event_query.filter is not None:
            self._parts.append(event_query.filter)

    def selects(self, event: StoredEvent, values: EventValues) -> bool:
        """Whether the filter selects the event; `values` are those of the event."""
        wanted = self._filter
        return (
            (wanted.sources is None or event.source in wanted.sources)
            and (self.user_ids is None or event.user_id in self.user_ids)
            and wanted.session_id in (None, event.session_id)
            and (not wanted.event_types or event.event_type in wanted.event_types)
            and all(matches(values, part) for part in self._parts)
        )
