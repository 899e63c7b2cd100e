"""The parameters of statements that compare properties (docs/definitions.md)."""

from collections.abc import Iterable

from event_tracker.query.filters.numbers import normalise, number_stem

__all__ = ["normalise", "number_stem", "property_parameters"]


def property_parameters(properties: Iterable[tuple[str, str]]) -> tuple[list[str], list[str], list[str | None]]:
    """The parameters of a filter of (name, value) pairs: names, normalised values, and their stems."""
    pairs = list(properties)
    return (
        [name for name, _ in pairs],
        [normalise(value) for _, value in pairs],
        [number_stem(value) for _, value in pairs],
    )
