"""Answers of statistics. Both the JSON and its schema are made from these types. docs/definitions.md defines the terms."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from event_tracker.columns.engine import EnginePlan
from event_tracker.query.answers import Time
from event_tracker.query.identity import Identity
from event_tracker.query.stats.query_types import RangeQuery
from event_tracker.query.stats.sql.explain_plan import Plan

Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float | None, Meta(description="0 to 1; null of nothing.")]
Seconds = Annotated[float | None, Meta(description="Seconds; null of nothing.")]


class ColumnsPlan(EnginePlan, frozen=True, kw_only=True, tag_field="engine", tag="duckdb"):
    """What `explain=true` adds to an answer from columns.

    Attributes:
        statement: the name of the question.
    """

    statement: str


Explain = Annotated[Plan | ColumnsPlan | UnsetType, Meta(description="Only with explain=true.")]


CompleteFrom = Annotated[
    Time | UnsetType,
    Meta(
        description="Only with LAKE. From this time on no event of the range is missing; before it, retention has deleted some that the "
        "lake hasn't got. It is `from` if all are there."
    ),
]


class RangeAnswer(msgspec.Struct, kw_only=True):
    """What all answers about a time range begin with."""

    start: Time = field(name="from")
    end: Time = field(name="to")
    tz: str
    as_of: Time
    complete_from: CompleteFrom = UNSET
    explain: Explain = UNSET


class UsersRangeAnswer(RangeAnswer, kw_only=True):
    """What those begin with that count users."""

    identity: Identity


def range_members(query: RangeQuery, as_of: datetime) -> dict[str, Any]:
    """The members that all of these answers begin with."""
    return {
        "start": query.start.astimezone(query.zone),
        "end": query.end.astimezone(query.zone),
        "tz": query.zone.key,
        "as_of": as_of,
    }


def users_range_members(query: RangeQuery, as_of: datetime) -> dict[str, Any]:
    """The members that those begin with that count users."""
    return {**range_members(query, as_of), "identity": query.identity}


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def local_times(times: Sequence[datetime], zone: ZoneInfo) -> list[datetime]:
    return [time.astimezone(zone) for time in times]


class Ranked(msgspec.Struct):
    key: str | None
    count: Count
    share: Share


class ListedUser(msgspec.Struct):
    user_id: str
    first_seen: Time
    last_seen: Time
    events: Count


class ListUsersAnswer(msgspec.Struct):
    identity: Identity
    users: list[ListedUser]
    next_cursor: str | None


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
    user_id: Annotated[
        str,
        Meta(
            description="The person's id: the last of the chain of links. With `identity=raw` the id that was asked for."
        ),
    ]
    identity: Identity
    first_seen: Time
    last_seen: Time
    events: Count
    start: Time = field(name="from")
    end: Time = field(name="to")
    tz: str
    as_of: Time
    range: UserRange
    explain: Explain = UNSET
