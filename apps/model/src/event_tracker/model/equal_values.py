"""`uniqueItems`, and `enum` with many numbers, in time linear in the values.

The library compares values one after the other: for `uniqueItems` those items that it hashes alike (integers that round to
the same double, arrays that contain only arrays), for `enum` all entries. Comparing an integer beyond 64 bits or a double such
as 1e200 takes it 4 to 15 µs, so that one event took seconds. Here, equal values have the same text, and texts are hashed.
"""

from copy import deepcopy
from typing import Any

import msgspec

from event_tracker.model.subschemas import all_schemas

SENTENCE = "It has non-unique elements"
"""The library's own sentence."""

MAX_LISTED = 3
"""Entries of an `enum` that an error lists. If there are more, it lists one less, and the number of the others."""


LARGE = 2**63
"""From here on, an integer that equals a double is written as that double."""


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


_write = msgspec.json.Encoder(order="deterministic").encode
_read = msgspec.json.Decoder(float_hook=_number).decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _text(value: Any) -> bytes:
    """A text that is the same for all equal JSON values: 1 and 1.0, objects with the same members in any order.

    Whoever sends the values can't predict the hashes of these texts.
    """
    if isinstance(value, float):
        return _write(int(value) if abs(value) < LARGE and value.is_integer() else value)
    if isinstance(value, int) and abs(value) >= LARGE:
        return _write(_as_double(value))
    if isinstance(value, str | int):
        return _write(value)
    return _write(_read(_write(value)))


def _as_double(value: int) -> float:
    """The double that equals a large integer, or the integer if there is none. Writing all its digits takes longer."""
    try:
        double = float(value)
    except OverflowError:
        return value
    return double if double == value else value


def _are_unique(items: list[Any]) -> bool:
    return len(set(map(bytes, _split(_text(items))))) == len(items)


class UniqueItemsKeyword:
    """`uniqueItems`, as a custom keyword of jsonschema-rs."""

    def __init__(self, _schema: dict[str, Any], value: bool, _path: list[str | int]) -> None:
        self._is_asked = value

    def validate(self, instance: Any) -> None:
        """Raise ValueError if the value is an array with two equal items."""
        if self._is_asked and isinstance(instance, list) and not _are_unique(instance):
            raise ValueError(SENTENCE)


class EqualsOneKeyword:
    """The custom keyword that replaces an `enum`."""

    def __init__(self, _schema: dict[str, Any], entries: list[Any], _path: list[str | int]) -> None:
        self._texts = frozenset(map(_text, entries))
        self._sentence = _sentence(entries)

    def validate(self, instance: Any) -> None:
        """Raise ValueError if the value equals none of the entries."""
        if _text(instance) not in self._texts:
            raise ValueError(self._sentence)


FEW = 8
"""An `enum` with up to so many entries that may contain numbers is left to the library: it is as fast as this module."""

KEYWORDS = {"uniqueItems": UniqueItemsKeyword, "equalsOne": EqualsOneKeyword}


def use_keywords(schema: dict[str, Any]) -> dict[str, Any]:
    """An equivalent schema that uses `KEYWORDS`. An `enum` that the library checks fast stays."""
    schema = deepcopy(schema)
    for _, subschema in all_schemas(schema, []):
        if isinstance(subschema, dict):
            subschema.pop("equalsOne", None)  # an unknown keyword means nothing
            if sum(map(_may_hold_number, subschema.get("enum", []))) > FEW:
                subschema["equalsOne"] = subschema.pop("enum")
    return schema


def _may_hold_number(entry: Any) -> bool:
    return not (entry is None or isinstance(entry, str | bool))


def _sentence(entries: list[Any]) -> str:
    """The library's own sentence."""
    listed = [msgspec.json.encode(entry).decode() for entry in entries[:MAX_LISTED]]
    if len(entries) > MAX_LISTED:
        listed[-1] = f"{len(entries) - MAX_LISTED + 1} other candidates"
    *others, last = listed
    return f"It is not one of {', '.join(others)} or {last}" if others else f"It is not one of {last}"
