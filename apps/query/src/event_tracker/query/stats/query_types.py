"""What may be asked, as frozen questions: two that are equal have one answer."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from event_tracker.query.source_scope import Sources


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeQuery:
    """[start, end) in UTC, of these sources, the zone whose calendar cuts it, and whether to tell how it was answered."""

    sources: Sources
    start: datetime
    end: datetime
    zone: ZoneInfo
    explain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FilteredQuery(RangeQuery):
    """Which events count: those of a range, of any of these types (all, if there are none), with all these properties."""

    event_types: tuple[str, ...]
    properties: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeseriesQuery(FilteredQuery):
    """Counts over time. `starts` are the beginnings of the intervals in UTC; `gap` and `longest` are in seconds."""

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
    """Sessions, summed up; `by` names what entries and exits are told by."""

    gap: int
    longest: int
    by: str
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopPropertiesQuery(FilteredQuery):
    """The commonest values of a property."""

    key: str
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionQuery(FilteredQuery):
    """Who comes back; `starts` are the beginnings of the periods in UTC."""

    period: str
    starts: tuple[datetime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathsQuery(FilteredQuery):
    """What follows what."""

    origin: str | None
    direction: str
    depth: int
    by: str
    limit: int
    gap: int
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelQuery(RangeQuery):
    """Who takes these steps, (event type, properties) each, in this order within `window` seconds."""

    window: int
    steps: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserQuery(RangeQuery):
    """One user; `starts` are the beginnings of the days in UTC, `longest` is in seconds."""

    starts: tuple[datetime, ...]
    longest: int
