"""GET /stats/sessions: how many, how long, where they begin and end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.auth.calls import Call
from event_tracker.query.parameter_types import Limit
from event_tracker.query.stats.answers import (
    Count,
    RangeAnswer,
    Ranked,
    Seconds,
    Share,
    UsersRangeAnswer,
    share,
    users_range_members,
)
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.columns.selection import Parameters, Statement, select_query
from event_tracker.query.stats.columns.visits import SECOND, build_cut, build_visits
from event_tracker.query.stats.parameters import SelectionSchema, dimension_field, gap_field, longest_field, read_range
from event_tracker.query.stats.query_types import FilteredQuery

SESSIONS = load_queries("event_tracker.query.stats.questions", "sessions.sql")["sessions"]
COLUMNS = "micros, place, key"


class SessionsSchema(SelectionSchema):
    """Parameters of GET /stats/sessions."""

    gap = gap_field()
    longest = longest_field()
    by = dimension_field()
    limit = Limit(10, "Most entries, and most exits.")


def sessions(stats: Stats, call: Call) -> RangeAnswer:
    query = read_sessions(call, datetime.now(UTC), stats.explain, longest=stats.longest)
    return stats.asker.ask(query, call)


def read_sessions(call: Call, now: datetime, allow_explain: bool, *, longest: int) -> "SessionsQuery":
    return SessionsQuery(**{"longest": longest, **read_range(call, now, allow_explain)})


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsQuery(FilteredQuery):
    """`gap` and `longest` are in seconds; `by` is the dimension of entries and exits."""

    name: ClassVar = "sessions"
    counts_users: ClassVar = True
    first_seen: ClassVar = None

    gap: int
    longest: int
    by: str
    limit: int

    def build_statement(self) -> Statement:
        parameters = Parameters(gap=self.gap * SECOND, longest=self.longest * SECOND, limit=self.limit)
        statement = SESSIONS.format(
            selected=select_query(self, parameters, self.by),
            visited=build_visits(COLUMNS),
            cut=build_cut(COLUMNS, self.end - self.start, self.longest),
        )
        return Statement(statement, parameters)

    def build_answer(self, as_of: datetime, rows: list[Any]) -> "SessionsAnswer":
        """Build from the single row with the totals of sessions."""
        ((count, people, events, bounces, mean, middle, longest, entries, exits),) = rows
        durations = (mean, *(middle or (None, None)), longest)
        return SessionsAnswer(
            **users_range_members(self, as_of),
            gap=self.gap,
            longest=self.longest,
            sessions=count,
            users=people,
            events=events,
            bounces=bounces,
            bounce_rate=share(bounces, count),
            events_per_session=share(events, count),
            duration=Duration(*(None if one is None else one / SECOND for one in durations)),
            by=self.by,
            entries=_ranked(entries, count),
            exits=_ranked(exits, count),
        )


def _ranked(counts: Sequence[dict[str, Any]] | None, total: int) -> list[Ranked]:
    return [Ranked(one["key"], one["count"], share(one["count"], total)) for one in counts or ()]


class Duration(msgspec.Struct):
    mean: Seconds
    median: Seconds
    p90: Seconds
    max: Seconds


class SessionsAnswer(UsersRangeAnswer, kw_only=True):
    gap: Count
    longest: Count
    sessions: Count
    users: Count
    events: Count
    bounces: Count
    bounce_rate: Share
    events_per_session: float | None
    duration: Duration
    by: str
    entries: list[Ranked]
    exits: list[Ranked]
