"""GET /stats/web: page views, visitors, sessions, bounces and durations, by interval and beside those of the range before."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, cast
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, field

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.answers import Time
from event_tracker.query.auth.calls import Call
from event_tracker.query.parameter_types import Choice
from event_tracker.query.stats.answers import (
    Count,
    RangeAnswer,
    Seconds,
    Share,
    UsersRangeAnswer,
    share,
    users_range_members,
)
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.columns.interval_numbers import number_intervals
from event_tracker.query.stats.columns.selection import Parameters, Statement, select_query
from event_tracker.query.stats.columns.visits import SECOND
from event_tracker.query.stats.intervals import Interval, end_of_interval, start_of_day
from event_tracker.query.stats.parameters import MAX_POINTS, split
from event_tracker.query.stats.query_types import FilteredQuery
from event_tracker.query.stats.web.parameters import WebSchema, read_web
from event_tracker.query.stats.web.sessions import build_pieces

SUMMARY = load_queries("event_tracker.query.stats.web", "summary.sql")["summary"]
WEB_INTERVALS = ("hour", "day", "week", "month")
FIRST_YEAR = 2
"""Ranges begin then or later, as those that are asked about."""


class WebSummarySchema(WebSchema):
    """Parameters of GET /stats/web."""

    interval = Choice(WEB_INTERVALS, "day", "How long a point of the series is.")


def web(stats: Stats, call: Call) -> RangeAnswer:
    query = read_web_summary(call, datetime.now(UTC), stats.explain, longest=stats.longest)
    earlier = query.before()
    now, *before = stats.asker.ask_all([query] if earlier is None else [query, earlier], call)
    return compare(now, before[0] if before else None)


def read_web_summary(call: Call, now: datetime, allow_explain: bool, *, longest: int) -> "WebSummaryQuery":
    given = read_web(call, now, allow_explain, longest)
    return WebSummaryQuery(starts=split(given, given["interval"], MAX_POINTS), **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSummaryQuery(FilteredQuery):
    """`starts` are the starts of the intervals in UTC; without any there is no series. `gap` and `longest` are in seconds."""

    name: ClassVar = "web"
    counts_users: ClassVar = True
    first_seen: ClassVar = None

    interval: str
    starts: tuple[datetime, ...]
    gap: int
    longest: int

    def before(self) -> "WebSummaryQuery | None":
        """The same question about the range before, without a series; None if that would begin too early."""
        try:
            start = begin_before(self.start, self.end, self.zone)
        except OverflowError:
            return None
        return None if start.year < FIRST_YEAR else replace(self, start=start, end=self.start, starts=())

    def build_statement(self) -> Statement:
        parameters = Parameters(gap=self.gap * SECOND, longest=self.longest * SECOND)
        number = number_intervals(self.starts, self.end, parameters) if self.starts else "1"
        statement = SUMMARY.format(
            selected=select_query(self, parameters),
            number=number,
            pieces=build_pieces("interval_number", self.end - self.start, self.longest),
        )
        return Statement(statement, parameters)

    def build_answer(self, as_of: datetime, rows: list[Any]) -> "WebAnswer":
        """Build from rows (number of the interval from 1, or 0 for the whole range; then what `Totals` has)."""
        found = {number: numbers for number, *numbers in rows}
        ends = (
            (*self.starts[1:], end_of_interval(self.starts[-1], cast(Interval, self.interval), self.zone))
            if self.starts
            else ()
        )
        over = min(self.end, as_of)
        return WebAnswer(
            **users_range_members(self, as_of),
            gap=self.gap,
            longest=self.longest,
            interval=self.interval,
            totals=_build_totals(*found[0]),
            before=None,
            series=[
                _build_point(
                    start.astimezone(self.zone),
                    self.start <= start and end <= over,
                    *found.get(number, (0, 0, 0, 0, None, None)),
                )
                for number, (start, end) in enumerate(zip(self.starts, ends, strict=True), 1)
            ],
        )


def begin_before(start: datetime, end: datetime, zone: ZoneInfo) -> datetime:
    """Where the range before begins: as many days, if the range is of whole days in the zone, or else as long.

    Raises:
        OverflowError: if there is no such time.
    """
    first, last = (moment.astimezone(zone).date() for moment in (start, end))
    if start_of_day(first, zone) == start and start_of_day(last, zone) == end:
        return start_of_day(first - (last - first), zone)
    return start - (end - start)


def compare(now: "WebAnswer", before: "WebAnswer | None") -> "WebAnswer":
    """The answer with the totals of the range before. What was committed by its `as_of` is counted in both."""
    if before is None:
        return now
    earlier = Before(before.start, before.end, before.totals)
    return msgspec.structs.replace(now, before=earlier, as_of=min(now.as_of, before.as_of))


def _build_totals(
    views: int, visitors: int, sessions: int, bounces: int, mean: float | None, median: float | None
) -> "Totals":
    duration = None if mean is None or median is None else WebDuration(mean / SECOND, median / SECOND)
    return Totals(views, visitors, sessions, bounces, share(bounces, sessions), share(views, sessions), duration)


def _build_point(
    start: datetime, complete: bool, views: int, visitors: int, sessions: int, bounces: int, mean: float | None, _: None
) -> "WebPoint":
    seconds = None if mean is None else mean / SECOND
    return WebPoint(start, views, visitors, sessions, share(bounces, sessions), seconds, complete)


class WebDuration(msgspec.Struct):
    mean: Annotated[float, Meta(description="Seconds.")]
    median: Annotated[float, Meta(description="Seconds.")]


class Totals(msgspec.Struct):
    page_views: Count
    visitors: Count
    sessions: Count
    bounces: Count
    bounce_rate: Share
    views_per_session: float | None
    duration: Annotated[WebDuration | None, Meta(description="Of sessions; null without any.")]


class Before(msgspec.Struct):
    start: Time = field(name="from")
    end: Time = field(name="to")
    totals: Totals


class WebPoint(msgspec.Struct):
    start: Time
    page_views: Count
    visitors: Count
    sessions: Annotated[Count, Meta(description="Those with a page view in the interval.")]
    bounce_rate: Share
    duration_mean: Seconds
    complete: Annotated[bool, Meta(description="Whether the interval lies in the range, and is over.")]


class WebAnswer(UsersRangeAnswer, kw_only=True):
    gap: Count
    longest: Count
    interval: str
    totals: Totals
    before: Annotated[Before | None, Meta(description="The range before; null if it would begin before the year 2.")]
    series: list[WebPoint]
