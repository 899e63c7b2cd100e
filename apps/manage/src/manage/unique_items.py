"""`uniqueItems`, in time linear in the items.

The library's own compares all items with each other that it holds for alike: integers that round to the same double (of
those with 64 bits a thousand, of larger ones any number), and arrays of nothing but arrays. A few thousand took seconds.
"""

from typing import Any

import msgspec

SENTENCE = "It has non-unique elements"
"""As the library says it."""


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


_write = msgspec.json.Encoder(order="deterministic").encode
_read = msgspec.json.Decoder(float_hook=_number).decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


def is_unique(items: list[Any]) -> bool:
    """Whether no two of these JSON values are equal: 1 and 1.0 are, and objects with the same members in any order.

    Equal values have one text, once numbers that are whole are integers. How texts hash can't be foreseen by who sends them.
    """
    texts = _split(_write(_read(_write(items))))
    return len(set(map(bytes, texts))) == len(items)


class UniqueItems:
    """The keyword, as jsonschema-rs takes its own ones from others."""

    def __init__(self, _schema: dict[str, Any], value: bool, _path: list[str | int]) -> None:
        self._is_asked = value

    def validate(self, instance: Any) -> None:
        """Raises ValueError if it is an array, and two of its items are equal."""
        if self._is_asked and isinstance(instance, list) and not is_unique(instance):
            raise ValueError(SENTENCE)
