"""Reads filters: JSON by a marshmallow schema, and the short form of a query string, which is made into the same JSON first."""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
from marshmallow import ValidationError, fields, post_load, pre_load

from event_tracker.core.json_numbers import decode_json
from event_tracker.query.filters.grammar import (
    MAX_DEPTH,
    MAX_KEYS,
    MAX_PARTS,
    OPERATORS,
    ORDERED,
    PROPERTY,
    TEXT_FIELDS,
    TIME_FIELDS,
    Condition,
    EventField,
    Filter,
    Group,
    Property,
    split_path,
)
from event_tracker.query.parameter_types import (
    MAX_VALUES,
    REQUIRED,
    Length,
    OneOf,
    ShortList,
    Time,
    field_error,
    text_field,
)
from event_tracker.query.parameters import ParameterSchema

KEY_LENGTH = Length(1, 200)
VALUE_LENGTH = Length(0, 4000)

LARGEST = 10**1000
"""Whole numbers of more digits take Python a time that isn't linear."""

FIELD = f"{', '.join((*TEXT_FIELDS, *TIME_FIELDS))}, or `property.NAME`; `property.NAME.NAME` is a member of an object."
FORM = "Must be FIELD:OPERATOR:VALUE, such as property.plan:is:pro, FIELD:set, or JSON."
ABOUT = ("session", "user")
"""Members of a filter that is about more than the event (behaviour_schema)."""

INNER = ("entry", "exit", "among", "did", "did_not")
"""Their members that are filters of events."""

PARTS = "Must have `and` or `or`, or else `field` and `operator`."

_short = re.compile(r"(?P<field>(?:[^\\:]|\\.)*):(?P<operator>[^:]*)(?::(?P<value>.*))?", re.DOTALL).fullmatch
_item = re.compile(r"(?:[^\\,]|\\.|\\$)*", re.DOTALL)


class FieldName(fields.Field[EventField | Property]):
    """The field of a condition."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> EventField | Property:
        if value in (*TEXT_FIELDS, *TIME_FIELDS):
            return EventField(value)
        if not isinstance(value, str) or not value.startswith(PROPERTY):
            names = ", ".join((*TEXT_FIELDS, *TIME_FIELDS))
            raise field_error("unknown_field", f"Must be {names}, or property.NAME.")
        try:
            keys = tuple(split_path(value.removeprefix(PROPERTY)))
        except ValueError:
            raise field_error("unknown_field", r"A backslash in a name is written \\, a dot \., a colon \:.") from None
        if len(keys) > MAX_KEYS:
            raise field_error("too_deep", f"May have {MAX_KEYS} names, not {len(keys)}; a dot in a name is written \\.")
        for key in keys:
            KEY_LENGTH(key)
        return Property(keys)


class Value(fields.Field[Any]):
    """What a field is compared with: a text, a number or a boolean, or a list of them. All become texts as PostgreSQL writes them."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[str] | str:
        if not isinstance(value, list):
            return _as_text(value)
        if not 1 <= len(value) <= MAX_VALUES:
            raise field_error("too_many", f"Must have 1 to {MAX_VALUES} values, not {len(value)}.")
        return [_as_text(one) for one in value]


def _as_text(value: Any) -> str:
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = value
        case int() if abs(value) < LARGEST:
            text = str(value)
        case int():
            raise field_error("invalid_number", "Has too many digits: give it as a text.")
        case float():
            text = format(Decimal(repr(value)), "f")
        case _:
            raise field_error("invalid_value", "Must be a text, a number, a boolean, or for one_of a list of them.")
    VALUE_LENGTH(text)
    return text


ONE_VALUE: dict[str, Any] = {"type": ["string", "number", "boolean"]}
MANY_VALUES = {"type": "array", "items": ONE_VALUE, "minItems": 1, "maxItems": MAX_VALUES}
A_LIST = {
    "description": f"{MAX_PARTS} conditions and groups altogether, {MAX_DEPTH} groups in groups.",
    "minItems": 1,
}


EVENTS_ONLY = (
    "A filter about the session or the user is for statistics and `GET /events/users`, and can't be in another one."
)


class FilterSchema(ParameterSchema):
    """A condition (`field`, `operator`, `value`), or a group of which all (`and`) or any (`or`) must match.

    Attributes:
        refused: members that other filters have.
        parts: what a filter must have.
    """

    refused: ClassVar[tuple[str, ...]] = ABOUT
    parts: ClassVar[str] = PARTS

    every = ShortList(fields.Nested(lambda: FilterSchema()), data_key="and", metadata=A_LIST)
    some = ShortList(fields.Nested(lambda: FilterSchema()), data_key="or", metadata=A_LIST)
    field = FieldName(metadata={"type": "string", "description": FIELD})
    operator = fields.String(validate=OneOf(OPERATORS))
    value = Value(
        metadata={"oneOf": [ONE_VALUE, MANY_VALUES], "description": "None for set and not_set; a list for one_of."}
    )

    @pre_load
    def _refuse(self, given: Any, **_: Any) -> Any:
        if isinstance(given, dict) and (found := [name for name in self.refused if name in given]):
            raise ValidationError({name: [("events_only", EVENTS_ONLY)] for name in found})
        return given

    @post_load
    def _make_filter(self, given: dict[str, Any], **_: Any) -> Filter:
        match given:
            case {"every": parts, **rest} | {"some": parts, **rest} if not rest:
                if not parts:
                    raise ValidationError([("invalid_filter", "Has nothing in it.")])
                return Group("and" if "every" in given else "or", tuple(parts))
            case {"field": _, "operator": _, **rest} if rest.keys() <= {"value"}:
                return _make_condition(**given)
        raise ValidationError([("invalid_filter", self.parts)])


def _make_condition(field: EventField | Property, operator: str, value: list[str] | str | None = None) -> Condition:
    test, negated = OPERATORS[operator]
    is_time = isinstance(field, EventField) and field.is_time
    if is_time and operator not in ORDERED:
        raise ValidationError({"operator": [("unknown_operator", f"Of a time must be one of {', '.join(ORDERED)}.")]})
    values: tuple[str | datetime, ...]
    match value:
        case None if test == "set":
            values = ()
        case str() if test != "set" and operator != "one_of":
            values = (_read_time(value) if is_time else value,)
        case list() if operator == "one_of":
            values = tuple(dict.fromkeys(value))
        case _:
            wanted = {"set": "no value", "not_set": "no value", "one_of": "a list of values"}.get(operator, "one value")
            raise ValidationError({"value": [("invalid_value", f"With {operator} there must be {wanted}.")]})
    return Condition(field, test, values, negated)


def _read_time(value: str) -> datetime:
    try:
        time: datetime = Time().deserialize(value)
    except ValidationError as error:
        raise ValidationError({"value": error.messages}) from None
    return time


class FilterMember(fields.Nested):
    """A filter in a JSON body."""

    def __init__(self, description: str, *, required: bool = True, schema: type[FilterSchema] = FilterSchema) -> None:
        described = {"description": description}
        super().__init__(schema, required=required, data_key="filter", error_messages=REQUIRED, metadata=described)

    def _deserialize(self, value: Any, *rest: Any, **named: Any) -> Any:
        _check_size([value])
        try:
            return super()._deserialize(value, *rest, **named)
        except ValidationError as error:
            raise ValidationError(dict(_flatten(error.messages))) from None


class FilterParameters(fields.List[Any]):
    """The parameter `filter` of a query string: FIELD:OPERATOR:VALUE, or JSON. Given several times, all must match."""

    def __init__(self, schema: type[FilterSchema] = FilterSchema) -> None:
        described = "`FIELD:OPERATOR:VALUE`, such as `property.plan:is:pro`, or JSON; several must all match."
        super().__init__(
            text_field(1, 8000), data_key="filter", metadata={"description": described, "maxItems": MAX_PARTS}
        )
        self.filter_schema = schema

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        documents = [_read_document(text, number) for number, text in enumerate(value)]
        _check_size(documents)
        try:
            loaded: Filter = self.filter_schema().load({"and": documents})
        except ValidationError as error:
            raise ValidationError(dict(_flatten(error.messages_dict["and"]))) from None
        assert isinstance(loaded, Group)
        return loaded.parts[0] if len(loaded.parts) == 1 else loaded


def _read_document(text: str, number: int) -> Any:
    if text.startswith("{"):
        try:
            return decode_json(text)
        except (msgspec.DecodeError, RecursionError):
            raise ValidationError({(number,): [("invalid_filter", "Isn't JSON, though it begins with {.")]}) from None
    found = _short(text)
    if found is None:
        raise ValidationError({(number,): [("invalid_filter", FORM)]})
    operator, value = found["operator"], found["value"]
    document = {"field": found["field"], "operator": operator}
    if value is None:
        return document
    return {**document, "value": list(_split_values(value)) if operator == "one_of" else value}


def _split_values(text: str) -> Iterator[str]:
    r"""Split a list at its commas. In a value, a comma is written `\,` and a backslash `\\`."""
    position = 0
    while position <= len(text):
        found = _item.match(text, position)
        assert found
        yield re.sub(r"\\([\\,])", r"\1", found[0])
        position = found.end() + 1


GROUPS = ("and", "or", *ABOUT)


def _check_size(documents: list[Any]) -> None:
    """Check the number of parts and their depth before any is loaded: each takes time."""
    found = 0
    level = documents
    for depth in range(MAX_DEPTH + 2):
        found += len(level)
        if found > MAX_PARTS:
            raise field_error("too_many", f"May have {MAX_PARTS} conditions and groups altogether.")
        groups = [part for part in level if isinstance(part, dict) and not part.keys().isdisjoint(GROUPS)]
        if groups and depth >= MAX_DEPTH:
            raise field_error("too_deep", f"May have {MAX_DEPTH} groups in groups.")
        level = [part for group in groups for part in _list_parts(group)]


def _list_parts(group: dict[str, Any]) -> Iterator[Any]:
    for kind in ("and", "or"):
        if isinstance(parts := group.get(kind), list):
            yield from parts
    for kind in ABOUT:
        if isinstance(about := group.get(kind), dict):
            yield from (about[name] for name in INNER if name in about)


def _flatten(messages: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], list[Any]]]:
    """Messages by the path to what is wrong, such as (1, "or", 0, "value")."""
    if isinstance(messages, list):
        yield path, [("invalid_value", one) if isinstance(one, str) else one for one in messages]
        return
    for name, inner in messages.items():
        yield from _flatten(inner, path if name == "_schema" else (*path, name))
