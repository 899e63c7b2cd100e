"""Answers of statistics. Both the JSON and its schema are made from these types. docs/definitions.md defines the terms."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from event_tracker.query.answers import Time
from event_tracker.query.stats.sql.explain_plan import Plan

Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float | None, Meta(description="0 to 1; null of nothing.")]
Seconds = Annotated[float | None, Meta(description="Seconds; null of nothing.")]
Explain = Annotated[Plan | UnsetType, Meta(description="Only with explain=true.")]


class RangeAnswer(msgspec.Struct, kw_only=True):
    """What all answers about a time range begin with."""

    start: Time = field(name="from")
    end: Time = field(name="to")
    tz: str
    as_of: Time


class Ranked(msgspec.Struct):
    key: str | None
    count: Count
    share: Share


class Series(msgspec.Struct):
    kind: Literal["all", "value", "missing", "other"]
    key: str | None
    values: list[Count]
    total: Count


class TimeseriesAnswer(RangeAnswer, kw_only=True):
    interval: str
    metric: str
    breakdown: str | None
    points: Annotated[list[Time], Meta(description="Where each interval begins, in the time zone that was asked for.")]
    series: list[Series]
    explain: Explain = UNSET


class UsersPoint(msgspec.Struct):
    time: Time
    active: Count
    new: Count
    returning: Count


class UsersAnswer(RangeAnswer, kw_only=True):
    interval: str
    points: list[UsersPoint]
    active: Count
    new: Count
    returning: Count
    explain: Explain = UNSET


class Duration(msgspec.Struct):
    mean: Seconds
    median: Seconds
    p90: Seconds
    max: Seconds


class SessionsAnswer(RangeAnswer, kw_only=True):
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
    explain: Explain = UNSET


class PropertyValue(msgspec.Struct):
    value: str
    count: Count
    share: Share


class TopPropertiesAnswer(RangeAnswer, kw_only=True):
    key: str
    items: list[PropertyValue]
    total: Count
    missing: Count
    explain: Explain = UNSET


class FunnelStep(msgspec.Struct):
    event_type: str
    properties: dict[str, str]
    users: Count
    conversion: Share
    step_conversion: Share
    dropped: Count
    median_seconds: Seconds


class FunnelAnswer(RangeAnswer, kw_only=True):
    window: Count
    steps: list[FunnelStep]
    explain: Explain = UNSET


class Cohort(msgspec.Struct):
    start: Time
    users: Count
    retained: list[Count]
    rates: list[Share]
    complete: Annotated[
        list[bool],
        Meta(
            description="For each of `retained`, whether all of its period lies in the range and was over at `as_of`."
        ),
    ]


class RetentionAnswer(RangeAnswer, kw_only=True):
    period: str
    cohorts: list[Cohort]
    explain: Explain = UNSET


class Transition(msgspec.Struct):
    source: str
    target: Annotated[str | None, Meta(description="null where the session ends.")]
    count: Count


class PathStep(msgspec.Struct):
    step: Count
    transitions: list[Transition]
    other: Count


class Path(msgspec.Struct):
    keys: list[str]
    count: Count
    share: Share


class PathsAnswer(RangeAnswer, kw_only=True):
    origin: str | None = field(name="start")
    direction: str
    depth: Count
    by: str
    occurrences: Count
    steps: list[PathStep]
    paths: list[Path]
    other_paths: Count
    explain: Explain = UNSET


class ListedUser(msgspec.Struct):
    user_id: str
    first_seen: Time
    last_seen: Time
    events: Count


class ListUsersAnswer(msgspec.Struct):
    users: list[ListedUser]
    next_cursor: str | None


class EventUser(msgspec.Struct):
    user_id: str
    events: Count
    first: Time
    last: Time


class EventUsersAnswer(RangeAnswer, kw_only=True):
    sort: str
    users: list[EventUser]
    total: Annotated[Count, Meta(description="How many users there are, on all pages.")]
    explain: Explain = UNSET


class UserType(msgspec.Struct):
    event_type: str
    count: Count
    share: Share


class UserRange(msgspec.Struct):
    events: Count
    active_days: Count
    sessions: Count
    types: list[UserType]


class GetUserAnswer(msgspec.Struct, kw_only=True):
    user_id: str
    first_seen: Time
    last_seen: Time
    events: Count
    start: Time = field(name="from")
    end: Time = field(name="to")
    tz: str
    as_of: Time
    range: UserRange
    explain: Explain = UNSET
