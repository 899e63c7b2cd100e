"""Why an event is refused: everything that is wrong with it, each with a pointer, a code and a sentence.

The marshmallow schema is made from `Event`, so that fields and bounds stand in one place. Only what the fast decoder
refuses, or can't be sure of, comes here.
"""

import json
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from marshmallow import RAISE, Schema, ValidationError, fields, validate
from msgspec import UNSET, inspect

from collector.event import MAX_DEPTH, Event, RuleError, resolve_timestamp

MAX_INTEGER_CHARACTERS = 4300
"""Where the decoder stops reading integers; Python's `int` stops there too (CVE-2020-10735: the time it takes is quadratic)."""

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
    "timestamp_out_of_range": "A time outside the years 1 to 9999, in UTC.",
    "nul_character": "A text with the character U+0000, which PostgreSQL can't store.",
    "lone_surrogate": "A text with half a surrogate pair, which isn't Unicode.",
    "number_out_of_range": "NaN, an infinity, or a number beyond what a double or 4,300 digits hold.",
    "too_deep": "Properties nested beyond 32 levels.",
    "event_too_large": "An event of more bytes than MAX_EVENT_BYTES.",
    "schema_violation": "Properties that violate the schema of the source's events of this type ([event schemas](schemas.md)).",
    "not_storable": "An event that the database refused.",
}
"""Every code an event's errors can have; also the label of `collector_events_rejected_by_code_total`."""

Finding = tuple[str, str, str]
"""(JSON Pointer below the event, code, detail)"""


class Length(validate.Length):
    """marshmallow's, with a code."""

    def __call__(self, value: Any) -> Any:
        if not (self.min or 0) <= len(value) <= (self.max or math.inf):
            raise ValidationError([("length", f"Must have {self.min} to {self.max} characters, not {len(value)}.")])
        return value


class Converted(fields.Field[Any]):
    """A field that msgspec converts: what it takes is then, by construction, what the decoder takes."""

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
        return ValidationError(
            [("wrong_type", f"Must be {self.expected}, not null; leave the field out if there is none.")]
        )


def _field(declared: inspect.Field) -> fields.Field[Any]:
    """The marshmallow field for one field of `Event`; its metadata is the field's JSON Schema."""
    assert isinstance(declared.type, inspect.Metadata)
    described = dict(declared.type.extra_json_schema or {})
    options: dict[str, Any] = {"required": declared.required, "metadata": described}
    match declared.type.type:
        case inspect.StrType(min_length=least, max_length=most):
            described["type"] = "string"
            return Converted(str, "a string", "wrong_type", validate=Length(least, most), **options)
        case inspect.DateTimeType():
            described |= {"type": "string", "format": "date-time"}
            aware = Annotated[datetime, msgspec.Meta(tz=True)]
            return Converted(
                aware, "a time with an offset, such as 2026-11-22T10:00:00Z", "invalid_timestamp", **options
            )
        case inspect.UUIDType():
            described |= {"type": "string", "format": "uuid"}
            return Converted(UUID, "a UUID", "invalid_uuid", **options)
        case inspect.DictType():
            described["type"] = "object"
            return Converted(dict, "an object", "wrong_type", **options)
        case other:
            raise TypeError(f"no marshmallow field for {declared.name}: {other}")


class _Coded(Schema):
    """Messages with codes for what isn't about one field."""

    class Meta:
        unknown = RAISE

    error_messages = {  # noqa: RUF012  # as marshmallow declares it
        "unknown": ("unknown_field", "Is not a field of an event; put what is yours into `properties`."),  # type: ignore[dict-item]
        "type": ("wrong_type", "An event must be a JSON object."),  # type: ignore[dict-item]
    }


_struct = inspect.type_info(Event)
assert isinstance(_struct, inspect.StructType)

EventSchema = _Coded.from_dict({field.name: _field(field) for field in _struct.fields}, name="EventSchema")
"""The contract of one event, for marshmallow and OpenAPI."""

_schema = EventSchema()


class _Object(dict[str, Any]):
    """A JSON object that remembers the members which a later one of the same name replaced: the decoder checks those too."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.replaced = (
            [] if len(pairs) == len(self) else [pair for i, pair in enumerate(pairs) if pair[0] in dict(pairs[i + 1 :])]
        )


def read_lenient(text: str) -> Any:
    """JSON as Python clients write it: NaN, infinities and lone surrogates are read, so that they can be pointed at."""
    return json.loads(
        text,
        object_pairs_hook=_Object,
        parse_int=lambda digits: int(digits) if len(digits) <= MAX_INTEGER_CHARACTERS else math.inf,
    )


def explain(raw: bytes, now: datetime) -> list[Finding]:
    """Everything that is wrong with the JSON of one event; empty if nothing is."""
    try:
        event = read_lenient(raw.decode())
    except UnicodeDecodeError as error:
        return [("", "invalid_json", f"Not UTF-8 at byte {error.start}.")]
    except json.JSONDecodeError as error:
        return [("", "invalid_json", f"{error.msg} at character {error.pos}.")]
    except RecursionError:
        return [("", "too_deep", f"Nested far beyond {MAX_DEPTH} levels.")]
    return explain_value(event, now)


def explain_value(event: Any, now: datetime) -> list[Finding]:
    """The same, for an event read already by `read_lenient`."""
    found = list(_unstorable(event, "", 0))
    for name, value in [(None, None), *getattr(event, "replaced", [])]:
        found += _contract(event if name is None else {**event, name: value}, now)
    return list(dict.fromkeys(found))


def _contract(event: Any, now: datetime) -> list[Finding]:
    """What the schema, and the rules between fields, say."""
    valid: dict[str, Any] = {}
    found: list[Finding] = []
    try:
        valid = _schema.load(event)
    except ValidationError as error:
        valid = error.valid_data if isinstance(error.valid_data, dict) else {}
        for name, mistakes in error.messages_dict.items():
            found += [("" if name == "_schema" else _below("", name), code, detail) for code, detail in mistakes]
    if {"/timestamp", "/event_id", ""}.isdisjoint(pointer for pointer, _, _ in found):
        try:
            resolve_timestamp(valid.get("timestamp", UNSET), valid.get("event_id", UNSET), now)
        except RuleError as error:
            found.append((_below("", error.field), error.code, error.detail))
    return found


def _unstorable(value: Any, pointer: str, depth: int) -> Iterator[Finding]:
    """What PostgreSQL can't store, wherever it stands. The event is depth 0, `properties` depth 1."""
    match value:
        case str():
            yield from _bad_text(value, pointer)
        case float() if not math.isfinite(value):
            yield (
                pointer,
                "number_out_of_range",
                "Must be a finite double, or an integer of at most 4,300 digits.",
            )
        case dict() | list() if depth > MAX_DEPTH:
            yield (pointer, "too_deep", f"Must not be nested beyond {MAX_DEPTH} levels.")
        case dict():
            for name, member in [*value.items(), *getattr(value, "replaced", [])]:
                yield from _bad_text(name, _below(pointer, name))
                yield from _unstorable(member, _below(pointer, name), depth + 1)
        case list():
            for index, member in enumerate(value):
                yield from _unstorable(member, f"{pointer}/{index}", depth + 1)


def _bad_text(text: str, pointer: str) -> Iterator[Finding]:
    if "\0" in text:
        yield (pointer, "nul_character", "Must not contain the character U+0000.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        yield (pointer, "lone_surrogate", "Must not contain half a surrogate pair.")


def _below(pointer: str, name: str) -> str:
    """The pointer to a member, escaped as RFC 6901 section 3 says; a lone surrogate couldn't be sent and becomes `?`."""
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}".encode(errors="replace").decode()
