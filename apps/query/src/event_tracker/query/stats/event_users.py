"""GET /events/users: the users of the selected events. Parameters, query type and response."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from event_tracker.query.auth.calls import Call
from event_tracker.query.filters.schema import FilterParameters
from event_tracker.query.parameter_types import EARLIEST, LATEST, Between, Choice, Limit
from event_tracker.query.parameters import ParameterError, invalid_parameters
from event_tracker.query.stats.intervals import start_of_day
from event_tracker.query.stats.parameter_types import Moment
from event_tracker.query.stats.parameters import A_DAY, FilterSchema, read_range
from event_tracker.query.stats.query_types import FilteredQuery

ORDERS = {"events": "events desc, user_id", "last": "last desc, user_id"}
"""Sort order → its SQL. Users with equal values are sorted by the bytes of their ids."""

MOST_OFFSET = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventUsersQuery(FilteredQuery):
    """Users of the selected events: `limit` of them in this order, after the first `offset`.

    If `first_seen` is set, only those who were first seen in that half-open range, in UTC.
    """

    sort: str
    limit: int
    offset: int
    first_seen: tuple[datetime, datetime] | None


class EventUsersSchema(FilterSchema):
    """Parameters of GET /events/users. PostgreSQL answers it, which knows of events alone."""

    condition = FilterParameters()
    sort = Choice(tuple(ORDERS), "events", "Most events first, or the latest `last` first.")
    limit = Limit(50, "Most users to answer.")
    offset = Between(0, MOST_OFFSET, 0, "How many users of this order to pass over: those of earlier pages.")
    first_seen_from = Moment("first_seen_from", f"Only users who were first seen then or later. RFC 3339. {A_DAY}")
    first_seen_to = Moment("first_seen_to", f"Only users who were first seen before. RFC 3339. {A_DAY}")


def read_event_users(call: Call, now: datetime, allow_explain: bool) -> EventUsersQuery:
    """Read the query of a request.

    Raises:
        Problem: 400 or 422 with all errors.
    """
    given = read_range(call, now, allow_explain)
    first, last = given.pop("first_seen_from", None), given.pop("first_seen_to", None)
    return EventUsersQuery(first_seen=_read_first_seen(first, last, given["zone"]), **given)


def _read_first_seen(
    first: datetime | date | None, last: datetime | date | None, zone: ZoneInfo
) -> tuple[datetime, datetime] | None:
    if first is None and last is None:
        return None
    start, end = (
        default if given is None else given if isinstance(given, datetime) else start_of_day(given, zone)
        for given, default in ((first, EARLIEST), (last, LATEST))
    )
    if start > end:
        error = ParameterError("first_seen_from", "reversed_range", "Must not be later than `first_seen_to`.")
        raise invalid_parameters([error])
    return start, end


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
