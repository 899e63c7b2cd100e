"""Types of queries. They are immutable and hashable, so that equal queries can share one result."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from event_tracker.query.auth.calls import Sources


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeQuery:
    """A time range [start, end) in UTC, the sources, the time zone of days, and whether to explain the plan."""

    sources: Sources
    start: datetime
    end: datetime
    zone: ZoneInfo
    explain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FilteredQuery(RangeQuery):
    """A query over selected events: any of these types (empty is all), and all of these properties."""

    event_types: tuple[str, ...]
    properties: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeseriesQuery(FilteredQuery):
    """Counts over time. `starts` are the starts of the intervals in UTC; `gap` and `longest` are in seconds."""

    interval: str
    starts: tuple[datetime, ...]
    metric: str
    breakdown: str | None
    limit: int
    gap: int
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersQuery(FilteredQuery):
    """Active, new and returning users over time."""

    interval: str
    starts: tuple[datetime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsQuery(FilteredQuery):
    """Totals of sessions. `by` is the dimension of their entries and exits."""

    gap: int
    longest: int
    by: str
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopPropertiesQuery(FilteredQuery):
    """The most frequent values of a property."""

    key: str
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionQuery(FilteredQuery):
    """Users who return. `starts` are the starts of the periods in UTC."""

    period: str
    starts: tuple[datetime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathsQuery(FilteredQuery):
    """Sequences of events within sessions."""

    origin: str | None
    direction: str
    depth: int
    by: str
    limit: int
    gap: int
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelQuery(RangeQuery):
    """Users who take these steps in this order within `window` seconds. A step is (event type, properties)."""

    window: int
    steps: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserQuery(RangeQuery):
    """One user. `starts` are the starts of the days in UTC; `longest` is in seconds."""

    starts: tuple[datetime, ...]
    longest: int
