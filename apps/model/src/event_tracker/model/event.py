"""The one definition of an event, and of its errors. The decoder, the OpenAPI document and error messages are made from these."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

MAX_DEPTH = 32
"""Levels of nesting in `properties`, itself the first."""

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


CODES = {
    "invalid_json": "The event isn't JSON.",
    "required": "A required field is missing.",
    "unknown_field": "A field that events don't have.",
    "wrong_type": "A value of the wrong JSON type.",
    "length": "A text too short or too long.",
    "invalid_timestamp": "A timestamp that isn't RFC 3339 with an offset.",
    "invalid_uuid": "An event_id that isn't a UUID.",
    "timestamp_required": "An event_id that isn't a UUIDv7, without a timestamp.",
    "timestamp_in_future": "A time more than 24 h ahead of the server's clock.",
    "timestamp_too_old": "A time before EARLIEST_TIMESTAMP ([configuration](configuration.md#collector)).",
    "timestamp_out_of_range": "A time outside the years 1 to 9999, in UTC.",
    "nul_character": "An id or a type with the character U+0000, which PostgreSQL can't store.",
    "lone_surrogate": "An id or a type with half a surrogate pair, which isn't Unicode.",
    "replaced_characters": "A warning, not an error: characters of the properties that can't be stored (U+0000, half a surrogate "
    "pair) are stored as U+FFFD.",
    "number_out_of_range": "NaN, an infinity, or a number beyond what a double or 4,300 digits hold.",
    "too_deep": "Properties nested beyond 32 levels.",
    "event_too_large": "An event of more bytes than MAX_EVENT_BYTES, its numbers written out.",
    "more_errors": "Stands for the errors of an event beyond the first 20.",
    "schema_violation": "Properties that violate the schema of the source's events of this type ([event schemas](schemas.md)).",
    "schema_set_aside": "A warning, not an error: the event was stored unchecked, since checking takes too long "
    "([event schemas](schemas.md#a-schema-that-is-slow)).",
    "expired": "A warning, not an error: a time of which [retention](operations.md#retention) has deleted the source's events. "
    "The event isn't stored, and needn't be sent again.",
    "not_storable": "An event that the database refused.",
    "invalid_protobuf": "A log record of [OpenTelemetry](clients/opentelemetry.md) that isn't protobuf.",
    "unsupported_version": "A CloudEvent of another `specversion` than 1.0.",
    "unknown_type": "A message of a type that its [protocol](clients/README.md) doesn't have.",
    "unreadable_record": "Of refused events only: a record in the topic of events that isn't one ([Kafka](kafka.md#dead-letters)).",
}
"""Every code an event's errors can have; also the label of `collector_events_rejected_by_code_total`."""


class EventError(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is wrong with one event."""

    index: Annotated[int, Meta(description="Which event of the request, from 0.")]
    pointer: Annotated[
        str,
        Meta(
            description="JSON Pointer (RFC 6901) to the value, below the request's body: `/user_id` in a single event, "
            "`/3/user_id` in a batch."
        ),
    ]
    code: Annotated[str, Meta(description="A word for machines.", extra_json_schema={"enum": sorted(CODES)})]
    detail: Annotated[str, Meta(description="A sentence for people.")]
    schema_version: (
        Annotated[int, Meta(description="With `schema_violation`: the version of the schema that is violated.")]
        | UnsetType
    ) = UNSET


class RuleViolation(NamedTuple):
    """A field that is valid, but not together with the others, or not at this time."""

    field: str
    code: str
    detail: str


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
