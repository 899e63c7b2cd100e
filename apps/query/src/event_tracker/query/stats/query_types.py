"""Types of queries. They are immutable and hashable, so that equal queries can share one result."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

from event_tracker.columns.engine import Sample
from event_tracker.query.auth.calls import Sources
from event_tracker.query.filters.grammar import Filter
from event_tracker.query.identity import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeQuery:
    """A time range [start, end) in UTC, the sources, the time zone of days, whether to explain the plan, and whom users are.

    `sample` is the part of the events that the question reads; None is all.
    """

    sample: ClassVar[Sample | None] = None

    sources: Sources
    start: datetime
    end: datetime
    zone: ZoneInfo
    explain: bool
    identity: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class FilteredQuery(RangeQuery):
    """A query over selected events: those of any of these types (empty is all) that the filter selects (None selects all)."""

    event_types: tuple[str, ...]
    filter: Filter | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserQuery(RangeQuery):
    """One user, or one person. `starts` are the starts of the days in UTC; `longest` is in seconds."""

    starts: tuple[datetime, ...]
    longest: int
