"""GET /events/users: whose the selected events are. What may be asked, and its answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from event_tracker.query.parameter_types import Between, Choice, Limit
from event_tracker.query.source_scope import QueryRequest, SourcesReader
from event_tracker.query.stats.parameters import FilterSchema, read_range
from event_tracker.query.stats.query_types import FilteredQuery

ORDERS = {"events": "events desc, user_id", "last": "last desc, user_id"}
"""What a list may be sorted by, and how that is said in SQL: users of equal values are in byte order of their ids."""

MOST_OFFSET = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventUsersQuery(FilteredQuery):
    """Users of the selected events: `limit` of them, behind the first `offset` of those in this order."""

    sort: str
    limit: int
    offset: int


class EventUsersSchema(FilterSchema):
    """Parameters of GET /events/users."""

    sort = Choice(tuple(ORDERS), "events", "Most events first, or the latest `last` first.")
    limit = Limit(50, "Most users to answer.")
    offset = Between(0, MOST_OFFSET, 0, "How many users of this order to pass over: those of earlier pages.")


_reader = SourcesReader(EventUsersSchema)


def read_event_users(query_request: QueryRequest, now: datetime, allow_explain: bool) -> EventUsersQuery:
    """The question that a request asks.

    Raises:
        Problem: 422 with every mistake.
    """
    return EventUsersQuery(**read_range(_reader, query_request, now, allow_explain))


def build_event_users(query: EventUsersQuery, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """From rows (number of all users, user, events, first, last), the page's in order; one without a user if it has none."""
    return {
        "sort": query.sort,
        "users": [
            {
                "user_id": user_id,
                "events": events,
                "first": first.astimezone(query.zone),
                "last": last.astimezone(query.zone),
            }
            for _, user_id, events, first, last in rows
            if user_id is not None
        ],
        "total": rows[0][0],
    }
