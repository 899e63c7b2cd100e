"""Users who are active in an interval: the SQL, and what questions about them have in common."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, LiteralString

from event_tracker.columns.engine import Range
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.stats.columns.interval_numbers import number_intervals
from event_tracker.query.stats.columns.selection import Parameters, Statement, select_query
from event_tracker.query.stats.query_types import FilteredQuery

PARTS = load_queries("event_tracker.query.stats.users", "active_users.sql")


def build_active_users(query: FilteredQuery, number: str, parameters: Parameters, by: str | None = None) -> str:
    """A SELECT of distinct (number, key, user_id) of the events that a query selects; `key` is null without a dimension `by`.

    Args:
        number: expression of the interval's number (interval_numbers).
    """
    selected = select_query(query, parameters, by)
    sent = PARTS["sent"].format(number=number, selected=selected)
    # Conditions on users are about persons: then `events` has these already.
    if query.identity == "raw" or parameters.behaviours:
        return sent
    parameters.maps_users = True
    return PARTS["persons"].format(sent=sent)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveUsersQuery(FilteredQuery):
    """A query about active and new users, by interval. `starts` are the starts of the intervals in UTC.

    Its statement has the places `{active}` and `{number}`.
    """

    counts_users: ClassVar = True
    statement: ClassVar[LiteralString]

    starts: tuple[datetime, ...]

    @property
    def first_seen(self) -> Range:
        return self.start, self.end

    def build_statement(self) -> Statement:
        parameters = Parameters()
        number = number_intervals(self.starts, self.end, parameters)
        active = build_active_users(self, number, parameters)
        return Statement(self.statement.format(active=active, number=number), parameters)
