"""When a property's value is the one that is asked for: they read the same, or are the same number (docs/definitions.md).

A number is what reads as JSON writes one without an exponent, as PostgreSQL writes every number in `jsonb`; texts that read so
count as well. Only how it is spelled is looked at, never its size: that is exact however many digits it has, and costs time by
its characters alone.
"""

import re
from collections.abc import Iterable

_number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?").fullmatch


def normalise(text: str) -> str:
    """A number without the zeros at its end that say nothing: `20` for `20.0`. Any other text as it is."""
    return text.rstrip("0").rstrip(".") if "." in text and _number(text) else text


def number_stem(text: str) -> str | None:
    """What is left of every longer spelling of the same number once the zeros at its end are gone: `20.` or `1.5`.

    None if the text isn't a number.
    """
    if not _number(text):
        return None
    shortest = normalise(text)
    return shortest if "." in shortest else f"{shortest}."


def property_parameters(properties: Iterable[tuple[str, str]]) -> tuple[list[str], list[str], list[str | None]]:
    """What statements take of a filter of (name, value) pairs: names, values as they read plainly, and their stems."""
    pairs = list(properties)
    return (
        [name for name, _ in pairs],
        [normalise(value) for _, value in pairs],
        [number_stem(value) for _, value in pairs],
    )
