"""GET /stats/timeseries: events, users or sessions over time."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta
from psycopg import sql

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.answers import Time
from event_tracker.query.auth.calls import Call
from event_tracker.query.parameter_types import Between, Choice
from event_tracker.query.stats.answers import Count, RangeAnswer, UsersRangeAnswer, local_times, users_range_members
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.columns.interval_numbers import number_intervals
from event_tracker.query.stats.columns.selection import Parameters, Statement, select_query
from event_tracker.query.stats.columns.visits import SECOND, build_cut, build_visits
from event_tracker.query.stats.parameter_types import Dimension
from event_tracker.query.stats.parameters import (
    INTERVALS,
    MAX_POINTS,
    SelectionSchema,
    gap_field,
    longest_field,
    read_range,
    split,
)
from event_tracker.query.stats.query_types import FilteredQuery
from event_tracker.query.stats.sql.bindings import filter_parameters
from event_tracker.query.stats.sql.sql_builder import source_condition, type_condition
from event_tracker.query.stats.sql.statements import fill
from event_tracker.query.stats.time_range import split_by_hour
from event_tracker.query.stats.users.active_users import build_active_users

PARTS = load_queries("event_tracker.query.stats.questions", "timeseries.sql")
KINDS: dict[int, Literal["missing", "other"]] = {0: "other", -1: "missing"}


class TimeseriesSchema(SelectionSchema):
    """Parameters of GET /stats/timeseries."""

    interval = Choice(INTERVALS, "day", "How long a point is.")
    metric = Choice(("events", "users", "sessions"), "events", "What is counted.")
    breakdown = Dimension(metadata={"description": "event_type, or property:NAME: a series for each of the commonest."})
    limit = Between(1, 50, 5, "Most series of a breakdown; the rest is one series, `other`.")
    gap = gap_field()
    longest = longest_field()


def timeseries(stats: Stats, call: Call) -> RangeAnswer:
    query = read_timeseries(call, datetime.now(UTC), stats.explain, longest=stats.longest)
    if query.is_counted and stats.can_count(query.start, query.end, *query.starts):
        return stats.store.count_by_hour(query, call.client)
    return stats.asker.ask(query, call)


def read_timeseries(call: Call, now: datetime, allow_explain: bool, *, longest: int) -> "TimeseriesQuery":
    given = read_range(call, now, allow_explain)
    starts = split(given, given["interval"], MAX_POINTS)
    return TimeseriesQuery(starts=starts, **{"breakdown": None, "longest": longest, **given})


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeseriesQuery(FilteredQuery):
    """Counts over time. `starts` are the starts of the intervals in UTC; `gap` and `longest` are in seconds."""

    name: ClassVar = "timeseries"
    first_seen: ClassVar = None

    interval: str
    starts: tuple[datetime, ...]
    metric: str
    breakdown: str | None
    limit: int
    gap: int
    longest: int

    @property
    def counts_users(self) -> bool:
        return self.metric != "events"

    @property
    def is_counted(self) -> bool:
        """Whether `event_counts` has the answer: events by type over hours that no interval splits, but for some."""
        by_type = self.metric == "events" and self.breakdown in (None, "event_type")
        return by_type and self.filter is None and split_by_hour(self.start, self.end, self.starts) is not None

    def build_counted_statement(self) -> tuple[sql.Composed, dict[str, Any]]:
        """PostgreSQL's statement, and its parameters, where `is_counted`."""
        by_type = sql.SQL("event_type" if self.breakdown else 'null::text collate "C"')
        statement = fill(
            "count_by_hour", event_type=by_type, types=type_condition(self), sources=source_condition(self)
        )
        hours = split_by_hour(self.start, self.end, self.starts) or {}
        return statement, {**filter_parameters(self), **hours, "starts": list(self.starts), "limit": self.limit}

    def build_statement(self) -> Statement:
        parameters = Parameters(limit=self.limit)
        number = number_intervals(self.starts, self.end, parameters)
        match self.metric:
            case "events":
                selected = select_query(self, parameters, self.breakdown)
                return Statement(PARTS["events"].format(selected=selected, number=number), parameters)
            case "users":
                active = build_active_users(self, number, parameters, self.breakdown)
                subject, found = "user_id", PARTS["found.users"].format(active=active)
            case _:
                subject, found = "user_id, session_id, visit, part", self._find_sessions(number, parameters)
        return Statement(PARTS["subjects"].format(subject=subject, found=found), parameters)

    def _find_sessions(self, number: str, parameters: Parameters) -> str:
        parameters.update(gap=self.gap * SECOND, longest=self.longest * SECOND)
        selected = select_query(self, parameters, self.breakdown)
        columns = "micros, key"
        cut = build_cut(columns, self.end - self.start, self.longest)
        visited = build_visits(columns)
        return PARTS["found.sessions"].format(selected=selected, number=number, visited=visited, cut=cut)

    def build_answer(self, as_of: datetime, rows: list[Any]) -> "TimeseriesAnswer":
        """Build from rows (series, key, number of the interval from 1, count). Number 0 is the whole range, where that isn't the sum."""
        keys: dict[int, str | None] = {} if self.breakdown else {-1: None}
        values: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for series, key, number, count in rows:
            keys[series] = key
            values[series][number] += count
        # The most frequent keys first, then events without a key (-1), then all other keys (0).
        order = sorted(keys, key=lambda series: (series <= 0, series))
        return TimeseriesAnswer(
            **users_range_members(self, as_of),
            interval=self.interval,
            metric=self.metric,
            breakdown=self.breakdown,
            points=local_times(self.starts, self.zone),
            series=[self._build_series(series, keys[series], values[series]) for series in order],
        )

    def _build_series(self, series: int, key: str | None, values: dict[int, int]) -> "Series":
        return Series(
            kind="all" if self.breakdown is None else KINDS.get(series, "value"),
            key=key,
            values=[values[number] for number in range(1, len(self.starts) + 1)],
            total=values[0] if self.metric != "events" else sum(values.values()),
        )


class Series(msgspec.Struct):
    kind: Literal["all", "value", "missing", "other"]
    key: str | None
    values: list[Count]
    total: Count


class TimeseriesAnswer(UsersRangeAnswer, kw_only=True):
    interval: str
    metric: str
    breakdown: str | None
    points: Annotated[list[Time], Meta(description="Where each interval begins, in the time zone that was asked for.")]
    series: list[Series]
