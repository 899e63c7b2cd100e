"""GET /events/users: the users of the selected events. Parameters, query type and response."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from event_tracker.query.auth.calls import Call
from event_tracker.query.parameter_types import Between, Choice, Limit
from event_tracker.query.stats.parameters import FilterSchema, read_range
from event_tracker.query.stats.query_types import FilteredQuery

ORDERS = {"events": "events desc, user_id", "last": "last desc, user_id"}
"""Sort order → its SQL. Users with equal values are sorted by the bytes of their ids."""

MOST_OFFSET = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventUsersQuery(FilteredQuery):
    """Users of the selected events: `limit` of them in this order, after the first `offset`."""

    sort: str
    limit: int
    offset: int


class EventUsersSchema(FilterSchema):
    """Parameters of GET /events/users."""

    sort = Choice(tuple(ORDERS), "events", "Most events first, or the latest `last` first.")
    limit = Limit(50, "Most users to answer.")
    offset = Between(0, MOST_OFFSET, 0, "How many users of this order to pass over: those of earlier pages.")


def read_event_users(call: Call, now: datetime, allow_explain: bool) -> EventUsersQuery:
    """Read the query of a request.

    Raises:
        Problem: 400 or 422 with all errors.
    """
    return EventUsersQuery(**read_range(call, now, allow_explain))


def build_event_users(query: EventUsersQuery, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Build the body from rows (number of all users, user, events, first, last). An empty page has one row without a user."""
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
