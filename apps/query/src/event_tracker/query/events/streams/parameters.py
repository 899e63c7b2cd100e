"""Parameters of GET /events/export and GET /events/live."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from marshmallow import ValidationError, fields, missing, validates_schema

from event_tracker.query.auth.calls import Call
from event_tracker.query.events.event_pages import CursorField, Position
from event_tracker.query.events.parameters import EventQuery, EventsSchema, TimeRangeSchema, build_event_query
from event_tracker.query.events.streams.formats import FORMATS
from event_tracker.query.parameter_types import Between, Choice, Length, Time, field_error

MAX_ROWS = 10**15
AFTER = "TIMESTAMP,EVENT_ID,USER_ID of the last event that you have: the export goes on behind it. Not with `cursor`."


class RowLimit(Between):
    """How many events to export. Without it, all of them."""

    def __init__(self) -> None:
        super().__init__(1, MAX_ROWS, 0, "Most events to export; all of them by default.")
        self.load_default = missing


class After(fields.String):
    """A position in the order of events, given by the last row that was read. The user comes last, since it may contain commas."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        parts = value.split(",", 2)
        if len(parts) < 3:
            raise field_error("invalid_after", "Must be TIMESTAMP,EVENT_ID,USER_ID of an event.")
        timestamp: datetime = Time().deserialize(parts[0])
        try:
            event_id = UUID(parts[1])
        except ValueError:
            raise field_error("invalid_after", "Its second part, the event_id, must be a UUID.") from None
        return Position(timestamp, Length(1, 200)(parts[2]), event_id)


class ExportEventsSchema(EventsSchema, TimeRangeSchema):
    """Parameters of GET /events/export."""

    format = Choice(FORMATS, "ndjson", "What the rows are written as.")
    limit = RowLimit()
    cursor = CursorField(
        metadata={
            "description": "`next_cursor` of GET /events with the same filters: the export goes on behind its page."
        }
    )
    after = After(metadata={"description": AFTER})

    @validates_schema
    def _one_place(self, given: dict[str, Any], **_: Any) -> None:
        after: Position | None = given.get("after")
        if after is None:
            return
        if "cursor" in given:
            raise ValidationError({"after": [("invalid_after", "Give `after` or `cursor`, not both.")]})
        if given["identity"] == "raw" and given.get("user_id", after.user_id) != after.user_id:
            raise ValidationError({"after": [("invalid_after", "Its user isn't `user_id`.")]})


@dataclass(frozen=True, slots=True)
class Export:
    """An export: all events of a filter, or the first `limit` of them, in one of FORMATS."""

    event_query: EventQuery
    format: str
    limit: int | None


def read_export(call: Call) -> Export:
    """Read the export of a request.

    Raises:
        Problem: 400 or 422 with all errors in it.
    """
    given = call.query()
    event_query = build_event_query({**given, "limit": 0}, _as_given)
    after: Position | None = given.get("after")
    # A position at or after `to` would include the events in between.
    if after is not None and after.timestamp < event_query.end:
        event_query = replace(event_query, after=after)
    return Export(event_query, given["format"], given.get("limit"))


def read_live_query(call: Call) -> EventQuery:
    """Read the filter of a live stream. Its time range is ignored.

    Raises:
        Problem: 400 or 422 with all errors in it.
    """
    return build_event_query({**call.query(), "limit": 0}, _as_given)


def _as_given(start: datetime | None, end: datetime | None) -> tuple[datetime | None, datetime | None]:
    return start, end
