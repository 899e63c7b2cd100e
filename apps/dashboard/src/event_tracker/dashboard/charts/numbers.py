"""Formats numbers for people. A rounded share is always shown with its exact count."""

from collections.abc import Iterable

NONE = "\N{EN DASH}"

MISSING, OTHER = "(has none)", "(other)"
"""The names for no value, and for all values that aren't listed."""


def make_distinct(names: Iterable[str], are_words: Iterable[bool], *taken: str) -> list[str]:
    """Make names distinct: a value that equals one of our words, or one of `taken`, gets quotation marks.

    Args:
        are_words: for each name, whether it is one of our words and not a value.
    """
    pairs = list(zip(names, are_words, strict=True))
    used = {*taken, *(name for name, is_word in pairs if is_word)}
    apart = []
    for name, is_word in pairs:
        while not is_word and name in used:
            name = f"“{name}”"
        used.add(name)
        apart.append(name)
    return apart


def counted(value: int, noun: str) -> str:
    """1 event, 2 events."""
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def shorten(name: str, most: int) -> str:
    """A name of at most so many characters, for charts: their tables have the whole one."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def count(value: int) -> str:
    """1234567 as 1,234,567."""
    return f"{value:,}"


def share(value: float | None) -> str:
    """0.1234 as 12.3%; a dash if there is none (the divisor was 0)."""
    return NONE if value is None else f"{value:.1%}"


def average(value: float | None) -> str:
    """Two decimals; a dash if there is no value."""
    return NONE if value is None else f"{value:,.2f}"


def duration(seconds: float | None) -> str:
    """Seconds as 12.5 s, 3 min 20 s, 2 h 5 min or 3 d 4 h; a dash if there is no value."""
    if seconds is None:
        return NONE
    if seconds < 60:
        return f"{seconds:,.3f}".rstrip("0").rstrip(".") + " s"
    for size, unit, smaller, name in [(86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")]:
        if seconds >= size:
            whole, rest = divmod(round(seconds / smaller) * smaller, size)
            return f"{whole:,} {unit} {rest // smaller} {name}" if rest else f"{whole:,} {unit}"
    raise AssertionError(seconds)


def change(now: int, before: int) -> str:
    """The change in percent of `before`, with its sign; the difference if `before` is 0."""
    return f"{(now - before) / before:+.1%}" if before else f"{now:+,}"
