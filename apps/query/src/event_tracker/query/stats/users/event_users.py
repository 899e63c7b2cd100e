"""GET /events/users: whose the selected events are, and how many of each."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from event_tracker.columns.engine import Range
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.answers import Time
from event_tracker.query.auth.calls import Call
from event_tracker.query.parameter_types import EARLIEST, LATEST, Between, Choice, Limit
from event_tracker.query.parameters import ParameterError, invalid_parameters
from event_tracker.query.stats.answers import Count, RangeAnswer, UsersRangeAnswer, users_range_members
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.columns.interval_numbers import UNIX_EPOCH
from event_tracker.query.stats.columns.selection import Parameters, Statement, select_query
from event_tracker.query.stats.intervals import start_of_day
from event_tracker.query.stats.parameter_types import Moment
from event_tracker.query.stats.parameters import A_DAY, SelectionSchema, read_range
from event_tracker.query.stats.query_types import FilteredQuery

PARTS = load_queries("event_tracker.query.stats.users", "event_users.sql")

ORDERS = {"events": "events desc, user_id", "last": "last desc, user_id"}
"""Sort order → its SQL. Users with equal values are sorted by the bytes of their ids."""

MAX_OFFSET = 1_000_000_000


class EventUsersSchema(SelectionSchema):
    """Parameters of GET /events/users."""

    sort = Choice(tuple(ORDERS), "events", "Most events first, or the latest `last` first.")
    limit = Limit(50, "Most users to answer.")
    offset = Between(0, MAX_OFFSET, 0, "How many users of this order to pass over: those of earlier pages.")
    first_seen_from = Moment("first_seen_from", f"Only users who were first seen then or later. RFC 3339. {A_DAY}")
    first_seen_to = Moment("first_seen_to", f"Only users who were first seen before. RFC 3339. {A_DAY}")


def event_users(stats: Stats, call: Call) -> RangeAnswer:
    return stats.asker.ask(read_event_users(call, datetime.now(UTC), stats.explain), call)


def read_event_users(call: Call, now: datetime, allow_explain: bool) -> "EventUsersQuery":
    given = read_range(call, now, allow_explain)
    first, last = given.pop("first_seen_from", None), given.pop("first_seen_to", None)
    first_seen = _read_first_seen(first, last, given["zone"])
    return EventUsersQuery(first_seen=first_seen and _until(first_seen, given["end"]), **given)


def _read_first_seen(first: datetime | date | None, last: datetime | date | None, zone: ZoneInfo) -> Range | None:
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


def _until(given: Range, end: datetime) -> Range:
    """The part of a range before a time. Who has events before it was first seen before it."""
    return min(given[0], end), min(given[1], end)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventUsersQuery(FilteredQuery):
    """Users of the selected events: `limit` of them in this order, after the first `offset`.

    If `first_seen` is set, only those who were first seen in that half-open range, in UTC.
    """

    name: ClassVar = "event_users"
    counts_users: ClassVar = True

    sort: str
    limit: int
    offset: int
    first_seen: Range | None

    def build_statement(self) -> Statement:
        parameters = Parameters(limit=self.limit, offset=self.offset)
        statement = PARTS["event_users"].format(
            selected=select_query(self, parameters),
            newcomers=PARTS["newcomers"] if self.first_seen else "",
            order=ORDERS[self.sort],
        )
        return Statement(statement, parameters)

    def build_answer(self, as_of: datetime, rows: list[Any]) -> "EventUsersAnswer":
        """Build from rows (number of all users; user, events, first, last). An empty page has one row without a user."""
        return EventUsersAnswer(
            **users_range_members(self, as_of),
            sort=self.sort,
            users=[
                EventUser(user_id, events, self._local(first), self._local(last))
                for _, user_id, events, first, last in rows
                if user_id is not None
            ],
            total=rows[0][0],
        )

    def _local(self, micros: int) -> datetime:
        return (UNIX_EPOCH + timedelta(microseconds=micros)).astimezone(self.zone)


class EventUser(msgspec.Struct):
    user_id: str
    events: Count
    first: Time
    last: Time


class EventUsersAnswer(UsersRangeAnswer, kw_only=True):
    sort: str
    users: list[EventUser]
    total: Annotated[Count, Meta(description="How many users there are, on all pages.")]
