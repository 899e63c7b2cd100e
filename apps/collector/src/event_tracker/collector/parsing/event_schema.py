"""The marshmallow schema of an event. It is made from `Event`, so that fields and bounds are defined once."""

import math
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from marshmallow import RAISE, Schema, ValidationError, fields, validate
from msgspec import inspect

from event_tracker.model.event import Event, RuleViolation, after_leap_second


class Length(validate.Length):
    """marshmallow's `Length`, with an error code."""

    def __call__(self, value: Any) -> Any:
        if not (self.min or 0) <= len(value) <= (self.max or math.inf):
            raise ValidationError([("length", f"Must have {self.min} to {self.max} characters, not {len(value)}.")])
        return value


class ConvertedField(fields.Field[Any]):
    """A field that is converted by msgspec, so that it accepts exactly what the decoder accepts."""

    def __init__(self, type_: Any, expected: str, code: str, **options: Any) -> None:
        self.type, self.expected, self.code = type_, expected, code
        super().__init__(**options)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        try:
            return msgspec.convert(value, self.type)
        except (msgspec.ValidationError, UnicodeError):
            raise ValidationError(
                [(self.code if isinstance(value, str) else "wrong_type", f"Must be {self.expected}.")]
            ) from None

    def make_error(self, key: str, **_: Any) -> ValidationError:
        if key == "required":
            return ValidationError([("required", "Is missing.")])
        return ValidationError([("wrong_type", f"Must be {self.expected}, not null.")])


class TimeField(ConvertedField):
    """Also accepts leap seconds, which msgspec doesn't."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, str) or value[16:19] != ":60":
            return super()._deserialize(value)
        after = after_leap_second(super()._deserialize(f"{value[:16]}:00{value[19:]}"))
        if isinstance(after, RuleViolation):
            raise ValidationError([(after.code, after.detail)])
        return after


def _field(declared: inspect.Field) -> fields.Field[Any]:
    """The marshmallow field for one field of `Event`; its metadata is the field's JSON Schema."""
    type_ = declared.type
    if isinstance(type_, inspect.UnionType):  # with None, in an optional field
        (type_,) = (one for one in type_.types if not isinstance(one, inspect.NoneType))
    assert isinstance(type_, inspect.Metadata)
    described = dict(type_.extra_json_schema or {})
    options: dict[str, Any] = {
        "required": declared.required,
        "allow_none": not declared.required,
        "metadata": described,
    }
    match type_.type:
        case inspect.StrType(min_length=least, max_length=most):
            described["type"] = "string"
            return ConvertedField(str, "a string", "wrong_type", validate=Length(least, most), **options)
        case inspect.DateTimeType():
            described |= {"type": "string", "format": "date-time"}
            aware = Annotated[datetime, msgspec.Meta(tz=True)]
            return TimeField(
                aware, "a time with an offset, such as 2026-11-22T10:00:00Z", "invalid_timestamp", **options
            )
        case inspect.UUIDType():
            described |= {"type": "string", "format": "uuid"}
            return ConvertedField(UUID, "a UUID", "invalid_uuid", **options)
        case inspect.DictType():
            described["type"] = "object"
            return ConvertedField(dict, "an object", "wrong_type", **options)
        case other:
            raise TypeError(f"no marshmallow field for {declared.name}: {other}")


class _ClosedSchema(Schema):
    """Allows no unknown fields, in OpenAPI. `explain` itself checks for them: marshmallow would take quadratic time."""

    class Meta:
        unknown = RAISE


_struct = inspect.type_info(Event)
assert isinstance(_struct, inspect.StructType)

EventSchema = _ClosedSchema.from_dict({field.name: _field(field) for field in _struct.fields}, name="EventSchema")
"""The contract of one event, for marshmallow and OpenAPI."""
