"""The one definition of an event: its fields, their bounds, and the rules for its id and time.

The decoder, the OpenAPI document and every error message are made from `Event`.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

MAX_FUTURE = timedelta(hours=24)
"""How far ahead of the server's clock a timestamp may be: enough for a wrong clock or a wrong time zone."""

MAX_DEPTH = 32
"""Levels of nesting in `properties`, itself the first."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PAST_RETENTION = "Not stored: retention has deleted the events of this time. If this was one of them, it stays counted."
"""The detail of an expired event: its time is before its source's retention mark."""

OUT_OF_RANGE = "The time must be in the years 1 to 9999, in UTC."


class Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One thing that a user did. An optional field that is null counts as absent: serializers write null for missing values."""

    user_id: Annotated[str, Meta(min_length=1, max_length=200, description="Who did it.", examples=["ann"])]
    event_type: Annotated[str, Meta(min_length=1, max_length=100, description="What was done.", examples=["page_view"])]
    timestamp: (
        Annotated[
            datetime,
            Meta(
                tz=True,
                description="When: RFC 3339 with an offset, at most 24 h ahead and not before EARLIEST_TIMESTAMP. Absent: the "
                "time in a UUIDv7 `event_id`, or now.",
            ),
        ]
        | None
    ) = None
    event_id: (
        Annotated[
            UUID,
            Meta(
                description="Makes a resend recognisable, together with `user_id` and `timestamp`. Without a `timestamp` it must be a "
                "UUIDv7. Absent: the server makes one, and a resend is a new event."
            ),
        ]
        | None
    ) = None
    session_id: Annotated[str, Meta(min_length=1, max_length=200, description="The visit it belongs to.")] | None = None
    properties: Annotated[dict[str, Any], Meta(description="Anything else.", examples=[{"page": "/"}])] | None = None


class EventError(msgspec.Struct, frozen=True):
    """One thing that is wrong with one event.

    Attributes:
        index: which event of the request, from 0.
        pointer: JSON Pointer (RFC 6901) to the value: `/user_id` in a single event, `/3/user_id` in a batch.
        code: a word for machines; also a metric label.
        detail: a sentence for people.
        schema_version: the version of the violated schema, if a schema is violated.
    """

    index: int
    pointer: str
    code: str
    detail: str
    schema_version: int | UnsetType = UNSET


class RuleViolation(NamedTuple):
    """A field that is valid, but not together with the others, or not at this time."""

    field: str
    code: str
    detail: str


class TimeBounds(NamedTuple):
    """The bounds of an event's time.

    Attributes:
        earliest: UTC. The time of a clock that was reset (1970, 1980) is before it.
        now: the server's clock, UTC; times may be `MAX_FUTURE` ahead of it.
    """

    earliest: datetime
    now: datetime


def read_time(event_id: UUID) -> datetime:
    """The time in a UUIDv7: its first 48 bits are milliseconds since 1970 (RFC 9562 section 5.7)."""
    return EPOCH + timedelta(milliseconds=event_id.int >> 80)


def after_leap_second(minute: datetime) -> datetime | RuleViolation:
    """The time of a leap second (second 60), given the same time with second 0.

    A leap second counts as the second after it, in POSIX and in PostgreSQL. Leap seconds are announced half a year ahead, so
    any day may end with one. It is a violation if this isn't the last minute of a day in UTC, or is outside the calendar.
    """
    try:
        utc = minute.astimezone(UTC)
        after = utc + timedelta(minutes=1)
    except OverflowError:
        return RuleViolation("timestamp", "timestamp_out_of_range", OUT_OF_RANGE)
    if (utc.hour, utc.minute) != (23, 59):
        detail = "Has a second 60 where no leap second can be: they are at 23:59:60 in UTC."
        return RuleViolation("timestamp", "invalid_timestamp", detail)
    return after


def resolve_timestamp(
    timestamp: datetime | None, event_id: UUID | None, bounds: TimeBounds
) -> datetime | RuleViolation:
    """When the event happened, in UTC: its timestamp, else the time in its id, else now.

    It is a violation if a resend couldn't be recognised, or the time is out of bounds.
    """
    field = "event_id" if timestamp is None else "timestamp"
    try:
        if timestamp is not None:
            happened = timestamp if timestamp.tzinfo is UTC else timestamp.astimezone(UTC)
        elif event_id is None:
            return bounds.now
        elif event_id.version == 7:
            happened = read_time(event_id)
        else:
            return RuleViolation(
                field,
                "timestamp_required",
                "An event_id without a timestamp must be a UUIDv7: with any other, each resend would get a new time and be stored again.",
            )
    except OverflowError:
        return RuleViolation(field, "timestamp_out_of_range", OUT_OF_RANGE)
    if happened < bounds.earliest:
        detail = (
            f"{happened.isoformat()} is before {bounds.earliest.date()}, the earliest day that this collector takes."
        )
        return RuleViolation(field, "timestamp_too_old", detail)
    if happened - bounds.now > MAX_FUTURE:
        detail = f"{happened.isoformat()} is more than 24 h ahead of the server's clock."
        return RuleViolation(field, "timestamp_in_future", detail)
    return happened
