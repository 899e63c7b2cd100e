"""`uniqueItems`, and `enum` where it lists many numbers: keywords that compare values, in time linear in these.

The library's own compare values one after the other: `uniqueItems` those items that it holds for alike (integers that round to
the same double, arrays of nothing but arrays), `enum` all entries. Comparing an integer beyond 64 bits or a double such as
1e200 takes it 4 to 15 µs, so that one event took seconds. Here equal values have one text, and texts are looked up.
"""

from copy import deepcopy
from typing import Any

import msgspec

from event_tracker.model.subschemas import all_schemas

SENTENCE = "It has non-unique elements"
"""As the library says it."""

MOST_LISTED = 3
"""Entries of an `enum` that an error names; of more, it names one less, and says how many others there are."""


LARGE = 2**63
"""From here on, a value that is a double as well as an integer is written as a double."""


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


_write = msgspec.json.Encoder(order="deterministic").encode
_read = msgspec.json.Decoder(float_hook=_number).decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _text(value: Any) -> bytes:
    """A text that a JSON value has in common with all that equal it: 1 and 1.0, objects with the same members in any order.

    How texts hash can't be foreseen by who sends the values.
    """
    if isinstance(value, float):
        return _write(int(value) if abs(value) < LARGE and value.is_integer() else value)
    if isinstance(value, int) and abs(value) >= LARGE:
        return _write(_as_double(value))
    if isinstance(value, str | int):
        return _write(value)
    return _write(_read(_write(value)))


def _as_double(value: int) -> float:
    """The double that equals a large integer, or the integer where there is none. Writing all digits of a double takes longer."""
    try:
        double = float(value)
    except OverflowError:
        return value
    return double if double == value else value


def _are_unique(items: list[Any]) -> bool:
    return len(set(map(bytes, _split(_text(items))))) == len(items)


class UniqueItemsKeyword:
    """The keyword, as jsonschema-rs takes its own ones from others."""

    def __init__(self, _schema: dict[str, Any], value: bool, _path: list[str | int]) -> None:
        self._is_asked = value

    def validate(self, instance: Any) -> None:
        """Raises ValueError if it is an array, and two of its items are equal."""
        if self._is_asked and isinstance(instance, list) and not _are_unique(instance):
            raise ValueError(SENTENCE)


class EqualsOneKeyword:
    """The keyword that stands for an `enum`."""

    def __init__(self, _schema: dict[str, Any], entries: list[Any], _path: list[str | int]) -> None:
        self._texts = frozenset(map(_text, entries))
        self._sentence = _sentence(entries)

    def validate(self, instance: Any) -> None:
        """Raises ValueError if it equals none of the entries."""
        if _text(instance) not in self._texts:
            raise ValueError(self._sentence)


FEW = 8
"""Entries of an `enum` with numbers that the library compares: that takes no longer than calling this module."""

KEYWORDS = {"uniqueItems": UniqueItemsKeyword, "equalsOne": EqualsOneKeyword}


def use_keywords(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that means the same by `KEYWORDS`. The library's own `enum` stays where it is quick."""
    schema = deepcopy(schema)
    for _, subschema in all_schemas(schema, []):
        if isinstance(subschema, dict):
            subschema.pop("equalsOne", None)  # what isn't known means nothing
            if sum(map(_may_hold_number, subschema.get("enum", []))) > FEW:
                subschema["equalsOne"] = subschema.pop("enum")
    return schema


def _may_hold_number(entry: Any) -> bool:
    return not (entry is None or isinstance(entry, str | bool))


def _sentence(entries: list[Any]) -> str:
    """As the library says it."""
    listed = [msgspec.json.encode(entry).decode() for entry in entries[:MOST_LISTED]]
    if len(entries) > MOST_LISTED:
        listed[-1] = f"{len(entries) - MOST_LISTED + 1} other candidates"
    *others, last = listed
    return f"It is not one of {', '.join(others)} or {last}" if others else f"It is not one of {last}"
