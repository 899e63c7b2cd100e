"""Compares values of properties: two are equal if they have the same text, or are the same number (docs/definitions.md).

A number is a text in JSON's syntax without an exponent, as PostgreSQL writes every number in `jsonb`. Strings in that syntax count
too. Numbers are compared by their spelling, not converted: that is exact for any number of digits, and takes linear time.
"""

import re
from collections.abc import Iterable

_number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?").fullmatch


def normalise(text: str) -> str:
    """Remove the trailing zeros of a number: `20` for `20.0`. Other texts are returned unchanged."""
    return text.rstrip("0").rstrip(".") if "." in text and _number(text) else text


def number_stem(text: str) -> str | None:
    """The common beginning of all longer spellings of a number, which add only zeros: `20.` or `1.5`.

    None if the text isn't a number.
    """
    if not _number(text):
        return None
    shortest = normalise(text)
    return shortest if "." in shortest else f"{shortest}."


def property_parameters(properties: Iterable[tuple[str, str]]) -> tuple[list[str], list[str], list[str | None]]:
    """The parameters of a filter of (name, value) pairs: names, normalised values, and their stems."""
    pairs = list(properties)
    return (
        [name for name, _ in pairs],
        [normalise(value) for _, value in pairs],
        [number_stem(value) for _, value in pairs],
    )
