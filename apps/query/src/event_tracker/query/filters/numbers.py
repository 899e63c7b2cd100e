"""Numbers in texts (docs/definitions.md): a text in JSON's syntax without an exponent, as PostgreSQL writes every number in `jsonb`.

Numbers are compared by their spelling, not converted: that is exact for any number of digits, and takes linear time. `conditions.sql`
does the same.
"""

import re

_number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?").fullmatch
_complement = str.maketrans("0123456789", "9876543210")


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


def number_key(text: str) -> str | None:
    """A text that sorts, by code points, as the number does. None if the text isn't a number.

    The digits follow their number before the point, which has nine digits itself. Of a negative number all digits are complements,
    and `~`, which sorts after them, ends it: -12 comes after -12.5. `-0` comes before `0`.
    """
    if not _number(text):
        return None
    whole, _, fraction = text.lstrip("-").partition(".")
    magnitude = f"{len(whole):09}{whole}{fraction.rstrip('0')}"
    return f"0{magnitude.translate(_complement)}~" if text.startswith("-") else f"1{magnitude}"
