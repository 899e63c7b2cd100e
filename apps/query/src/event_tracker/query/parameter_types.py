"""Types of parameters: which values each accepts, and the error code and sentence for others."""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from marshmallow import ValidationError, fields, missing, validate

CODES = {
    "required": "A parameter that must be given.",
    "unknown_parameter": "A parameter that this endpoint doesn't have.",
    "repeated_parameter": "A parameter given twice that may be given once.",
    "too_many": "A repeatable parameter given too often.",
    "length": "A text too short or too long.",
    "nul_character": "A text with the character U+0000, which no stored text has.",
    "invalid_integer": "Not a whole number.",
    "limit_out_of_range": "A limit below 1 or above 1,000; it is never clamped.",
    "invalid_number": "Not a number, or one out of its bounds.",
    "invalid_value": "A value of the wrong kind.",
    "unknown_operator": "A comparison that doesn't exist, such as `property.NAME!=value`, or not for this field.",
    "unknown_field": "Not a field that a filter can be about.",
    "invalid_filter": "Neither a condition nor a group of them, or one that is empty.",
    "events_only": "A filter about the session or the user, where it can only be about the event.",
    "too_deep": "Too many groups in groups, or names in the path of a property.",
    "invalid_choice": "Not one of the words that this parameter takes.",
    "invalid_timestamp": "A time that isn't RFC 3339 with an offset.",
    "unknown_time_zone": "Not a name of the IANA time zone database.",
    "too_many_points": "More intervals between `from` and `to` than an answer may have.",
    "timestamp_out_of_range": "A time outside the years 1 to 9998, in UTC; for analytics, 2 to 9997.",
    "reversed_range": "`from` is later than `to`, or `first_seen_from` than `first_seen_to`.",
    "window_too_wide": "Without `user_id`, more than WINDOW_MAX_HOURS from `from` to `to`.",
    "invalid_cursor": "Not a cursor that this service made.",
    "invalid_after": "Not TIMESTAMP,EVENT_ID,USER_ID of an event, or not of these filters.",
    "too_many_ids": "A person with more than 10,000 ids; in the list of users, more than 100,000 ids that the next person depends on.",
    "other_filters": "A cursor that was made with other filters.",
    "unknown_source": "Not a source, or not one of the principal's.",
    "more_errors": "Not a mistake of its own: how many there are that aren't listed.",
    "explain_not_allowed": "`explain=true` where the setting EXPLAIN isn't on, or from who is restricted to some sources.",
}
"""Every code that a parameter's errors can have."""

REQUIRED: dict[str, Any] = {"required": [("required", "Must be given.")]}
"""The `error_messages` of a field that must be given."""

MAX_LIMIT = 1000

PAGES = "A page may have fewer than `limit` where they are large; only an empty one is the last."
"""Description for lists that are paged by the id of their last item."""

MAX_VALUES = 50
"""How many values a repeatable parameter may have."""

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
"""Times are EARLIEST or later and before LATEST, so that a day can be added to each without an overflow."""


def field_error(code: str, detail: str) -> ValidationError:
    """The error that a field raises: a code of CODES and a sentence."""
    return ValidationError([(code, detail)])


class Length(validate.Length):
    """marshmallow's validator for the length of a text, with error codes."""

    def __call__(self, value: Any) -> Any:
        if not (self.min or 0) <= len(value) <= (self.max or len(value)):
            raise field_error("length", f"Must have {self.min} to {self.max} characters, not {len(value)}.")
        if "\0" in value:
            raise field_error("nul_character", "Must not contain the character U+0000: no stored text does.")
        return value


class AtMost(validate.Length):
    """marshmallow's validator for how often a parameter may be given, with an error code."""

    def __call__(self, value: Any) -> Any:
        if len(value) > (self.max or 0):
            raise field_error("too_many", f"May be given {self.max} times, not {len(value)}.")
        return value


class ShortList(fields.List[Any]):
    """marshmallow's list. It refuses a list that is too long before it validates the items, since each item costs time."""

    def _deserialize(self, value: Any, *rest: Any, **named: Any) -> list[Any]:
        if isinstance(value, list):
            for check in self.validators:
                if isinstance(check, validate.Length) and len(value) > (check.max or len(value)):
                    check(value)
        loaded: list[Any] = super()._deserialize(value, *rest, **named)
        return loaded


class InRange(validate.Range):
    """marshmallow's validator for limits, with an error code."""

    def __call__(self, value: Any) -> Any:
        if not self.min <= value <= self.max:
            raise field_error("limit_out_of_range", f"Must be {self.min} to {self.max}; it is never clamped.")
        return value


class Limit(fields.Integer):
    """How many items to answer."""

    def __init__(self, default: int, description: str) -> None:
        super().__init__(load_default=default, validate=InRange(1, MAX_LIMIT), metadata={"description": description})

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        # A JSON body has numbers, a query string texts.
        if isinstance(value, bool) or not isinstance(value, int | str) or not re.fullmatch("-?[0-9]{1,18}", str(value)):
            raise field_error("invalid_integer", "Must be a whole number.")
        return int(value)


class Time(fields.DateTime):
    """A time with an offset; it is loaded in UTC."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        try:
            time: datetime = msgspec.convert(value, Annotated[datetime, msgspec.Meta(tz=True)])
        except msgspec.ValidationError:
            hint = " In a URL its + is written %2B." if isinstance(value, str) and " " in value else ""
            raise field_error(
                "invalid_timestamp", f"Must be a time with an offset, such as 2026-11-22T10:00:00Z.{hint}"
            ) from None
        try:
            time = time.astimezone(UTC)
        except OverflowError:
            time = LATEST
        if time >= LATEST:
            raise field_error("timestamp_out_of_range", "Must be in the years 1 to 9998, in UTC.")
        return time


class Choice(fields.String):
    """One of a few words."""

    def __init__(self, words: Collection[str], default: str, description: str) -> None:
        super().__init__(load_default=default, metadata={"description": description, "enum": list(words)})
        self.words = words

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if value not in self.words:
            raise field_error("invalid_choice", f"Must be one of {', '.join(self.words)}.")
        return str(value)


class Between(fields.Integer):
    """A whole number between two bounds, as text or, in a JSON body, as a number. Without a default it may be left out."""

    def __init__(self, least: int, most: int, default: int | None, description: str) -> None:
        metadata = {"description": description, "minimum": least, "maximum": most}
        super().__init__(load_default=missing if default is None else default, metadata=metadata)
        self.least, self.most = least, most

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str) or not re.fullmatch("[0-9]{1,18}", str(value)):
            raise field_error("invalid_integer", "Must be a whole number.")
        if not self.least <= int(value) <= self.most:
            raise field_error("invalid_number", f"Must be {self.least:,} to {self.most:,}.")
        return int(value)


class OneOf(validate.OneOf):
    """marshmallow's validator for a choice of words, with an error code."""

    def __call__(self, value: Any) -> Any:
        if value not in self.choices:
            raise field_error("invalid_choice", f"Must be one of {', '.join(map(str, self.choices))}.")
        return value


class WholeNumber(fields.Integer):
    """A whole number of 1 to `most` in a JSON body."""

    def __init__(self, most: int, **options: Any) -> None:
        super().__init__(**options)
        self.metadata = {**self.metadata, "minimum": 1, "maximum": most}
        self.most = most

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= self.most:
            raise field_error("invalid_integer", f"Must be a whole number of 1 to {self.most:,}.")
        return value


class PropertyFilter(fields.Dict):
    """Property name → value. An operator other than `=`, such as `!=`, shows up as a name that ends in its sign, and is refused."""

    def __init__(self, description: str) -> None:
        super().__init__(
            keys=text_field(1, 200),
            values=text_field(0, 4000),
            data_key="property",
            validate=AtMost(max=MAX_VALUES),
            metadata={"description": description},
        )

    def _deserialize(self, value: Any, *rest: Any, **named: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise field_error("invalid_value", "Must be an object: names and the values that they must have.")
        refused = {name: {"key": [NO_SUCH_OPERATOR]} for name, wanted in value.items() if _means_operator(name, wanted)}
        others = {name: wanted for name, wanted in value.items() if name not in refused}
        try:
            loaded: dict[str, str] = super()._deserialize(others, *rest, **named)  # type: ignore[no-untyped-call]
        except ValidationError as error:
            raise ValidationError({**refused, **error.messages_dict}) from None
        if refused:
            raise ValidationError(refused)
        return loaded


SIGNS = "!<>~"

NO_SUCH_OPERATOR = (
    "unknown_operator",
    f"Only `=` can be asked for. A name that ends in one of {SIGNS}, or has one and no value, is taken for another comparison.",
)


def _means_operator(name: str, value: str) -> bool:
    """Whether the query string had `NAME!=value`, for example, or `NAME>value`, which has no `=`."""
    return name.endswith(tuple(SIGNS)) or (not value and any(sign in name for sign in SIGNS))


def user_id_field() -> fields.String:
    """The parameter `user_id`, for endpoints that take any id: some ids can't be written in a path."""
    described = {"description": "Whose data; any id that can be stored."}
    return fields.String(required=True, validate=Length(1, 200), error_messages=REQUIRED, metadata=described)


def text_field(least: int, most: int, description: str = "") -> fields.String:
    """A text of `least` to `most` characters."""
    return fields.String(validate=Length(least, most), metadata={"description": description} if description else {})


def repeatable_field(name: str, description: str) -> ShortList:
    """A parameter that may be given MAX_VALUES times, each with a text of 1 to 100 characters."""
    return ShortList(
        text_field(1, 100), data_key=name, validate=AtMost(max=MAX_VALUES), metadata={"description": description}
    )
