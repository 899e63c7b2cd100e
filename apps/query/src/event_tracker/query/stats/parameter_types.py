"""Types of parameters that only statistics have."""

import re
from datetime import date, datetime
from functools import cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from marshmallow import fields

from event_tracker.query.parameter_types import Length, Time, field_error

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
PROPERTY = "property:"

Given = TypeVar("Given", date, datetime)


MOMENT: dict[str, Any] = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}
"""The JSON Schema of a moment."""


class Moment(fields.Field[datetime | date]):
    """A time with an offset, or a day, which means its first moment in the time zone of the query."""

    # Not a subclass of `Time`: that would be described as a date-time alone.

    def __init__(self, name: str, description: str) -> None:
        super().__init__(data_key=name, metadata={"description": description, **MOMENT})
        self._time = Time()

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime | date:
        if not isinstance(value, str):
            raise field_error("invalid_timestamp", "Must be a text: a time with an offset, or a day.")
        if DAY.fullmatch(value):
            try:
                day = date.fromisoformat(value)
            except ValueError:
                raise field_error("invalid_timestamp", "There is no such day.") from None
            return _in_range(day, day)
        moment: datetime = self._time.deserialize(value)
        return _in_range(moment, moment.date())


def _in_range(given: Given, day: date) -> Given:
    """Check the year. Splitting by a calendar needs some days before and after the range."""
    if not 2 <= day.year <= 9997:
        raise field_error("timestamp_out_of_range", "Must be in the years 2 to 9997.")
    return given


class Dimension(fields.String):
    """`event_type`, or `property:NAME`."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        name = value.removeprefix(PROPERTY) if isinstance(value, str) else ""
        if value != "event_type" and (name == value or not name):
            raise field_error("invalid_choice", "Must be event_type, or property:NAME.")
        Length(1, 200)(name)
        return str(value)


class Zone(fields.Field[ZoneInfo]):
    """A name of the IANA time zone database."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> ZoneInfo:
        if not isinstance(value, str) or value not in _zones():
            raise field_error("unknown_time_zone", "Must be a name such as Europe/Paris, or UTC.")
        return ZoneInfo(value)


class Flag(fields.Boolean):
    """`true` or `false`."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if value not in ("true", "false") and not isinstance(value, bool):
            raise field_error("invalid_choice", "Must be true or false.")
        return value in ("true", True)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
