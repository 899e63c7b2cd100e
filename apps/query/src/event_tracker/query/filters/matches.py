"""Applies filters to events in Python. It means the same as the SQL of `postgres` and `duckdb`."""

import operator
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from event_tracker.query.filters.grammar import Condition, Filter, Group, Property
from event_tracker.query.filters.numbers import normalise, number_key

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode

ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


class Event(Protocol):
    """An event; it has the attributes of TEXT_FIELDS and TIME_FIELDS, too."""

    @property
    def properties(self) -> msgspec.Raw:
        """The JSON as PostgreSQL writes it."""


class EventValues:
    """An event, and its properties, which are decoded once."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._members: dict[str, msgspec.Raw] | None = None

    def of_field(self, name: str) -> str | datetime | None:
        """The value of one of TEXT_FIELDS or TIME_FIELDS."""
        value: str | datetime | None = getattr(self._event, name)
        return value

    def of_property(self, keys: Sequence[str]) -> bytes | None:
        """The JSON of a property or a member below one; None if it isn't there."""
        if self._members is None:
            self._members = _members(self._event.properties)
        members = self._members
        for key in keys[:-1]:
            value = bytes(members.get(key, b""))
            if not value.startswith(b"{"):
                return None
            members = _members(value)
        found = members.get(keys[-1])
        return None if found is None else bytes(found)


def matches(event: EventValues, part: Filter) -> bool:
    """Whether the filter selects the event."""
    if isinstance(part, Group):
        return (all if part.kind == "and" else any)(matches(event, inner) for inner in part.parts)
    if not isinstance(part, Condition):
        raise TypeError("one event can't tell what its session or its user is like")
    return _test(event, part) is not part.negated


def _test(event: EventValues, condition: Condition) -> bool:
    if isinstance(condition.field, Property):
        return _test_property(event.of_property(condition.field.keys), condition)
    value = event.of_field(condition.field.name)
    if value is None:
        return False
    if condition.test in ORDER:
        return ORDER[condition.test](value, condition.values[0])
    return _test_text(str(value), condition) if condition.test != "is" else value in condition.values


def _test_property(json: bytes | None, condition: Condition) -> bool:
    if json is None or json == b"null":
        return False
    if condition.test == "set":
        return True
    if condition.test == "contains" and json.startswith(b"["):
        return any(_has_text(bytes(element), condition) for element in _elements(json))
    nested = isinstance(condition.field, Property) and len(condition.field.keys) > 1
    return False if nested and json.startswith((b"{", b"[")) else _test_text(normalise(_as_text(json)), condition)


def _has_text(json: bytes, condition: Condition) -> bool:
    """Whether an element of an array is the wanted value."""
    return json != b"null" and not json.startswith((b"{", b"[")) and _is_one_of(_as_text(json), condition.values)


def _test_text(text: str, condition: Condition) -> bool:
    if condition.test == "set":
        return True
    if condition.test == "is":
        return _is_one_of(text, condition.values)
    wanted = str(condition.values[0])
    if condition.test == "contains":
        return wanted in text
    if condition.test == "starts_with":
        return text.startswith(wanted)
    stored_number, wanted_number = number_key(text), number_key(wanted)
    if stored_number is None or wanted_number is None:
        return stored_number is wanted_number and ORDER[condition.test](text, wanted)
    return ORDER[condition.test](stored_number, wanted_number)


def _is_one_of(text: str, values: Sequence[str | datetime]) -> bool:
    return normalise(text) in [normalise(str(value)) for value in values]


def _as_text(json: bytes) -> str:
    """The value as PostgreSQL's `->>` returns it: a string unquoted, and JSON for anything else."""
    return _text(json) if json.startswith(b'"') else json.decode()
