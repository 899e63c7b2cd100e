"""Finds the days of a range that have valid summaries, so that their events needn't be read (infra/migrations/0006-summaries.sql)."""

from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from event_tracker.query.stats.parameters import GAP
from event_tracker.query.stats.query_types import FilteredQuery, PathsQuery, RangeQuery, SessionsQuery
from event_tracker.query.stats.sql.statements import QUERIES, fill
from event_tracker.query.stats.time_range import MOST_RANGES, ranges_between, whole_day_bounds


class SummarisedDays(NamedTuple):
    """The days (UTC) that are read from their summaries, and the time ranges around them, whose events are read.

    Attributes:
        wanted: how many events of these days have the selected types.
    """

    days: list[datetime]
    wanted: int
    unsummarised: list[tuple[datetime, datetime]]

    def parameters(self, query: RangeQuery) -> dict[str, Any]:
        """The parameters of statements that read summaries."""
        return {
            "fresh_days": self.days,
            "wanted": self.wanted,
            "piece_starts": [start for start, _ in self.unsummarised],
            **whole_day_bounds(query.start, query.end),
        }


def find_summarised_days(
    connection: psycopg.Connection, query: FilteredQuery, key: str | None = None
) -> SummarisedDays:
    """Find the days whose summaries are up to date. With a `key`, the summaries must include that property."""
    parameters = {**whole_day_bounds(query.start, query.end), "key": key, "event_types": list(query.event_types)}
    having = sql.SQL("" if query.sources is None else QUERIES["fresh_days.having"])
    parameters["sources"] = list(query.sources or ())
    rows = connection.execute(fill("fresh_days", having=having), parameters, binary=True).fetchall()
    days = [day for day, _ in rows]
    unsummarised = ranges_between(query.start, query.end, days)
    if len(unsummarised) > MOST_RANGES:
        return SummarisedDays([], 0, [(query.start, query.end)])
    return SummarisedDays(days, sum(wanted for _, wanted in rows), unsummarised)


def can_use_summaries(query: SessionsQuery | PathsQuery) -> bool:
    """Whether summaries have the visits of a query: one without filters, by event type, with a gap of at least GAP."""
    return query.by == "event_type" and query.gap >= GAP and not query.event_types and not query.properties
