"""The names of properties to choose from. No endpoint lists them: they are those that the newest events have."""

from collections import Counter

from dashboard.api import read_lines
from dashboard.filters import Filters
from dashboard.service import RefusedError

SAMPLE = 200
PREFIX = "property:"


def names(chosen: Filters) -> list[str]:
    """The names that the newest events of the range have, the commonest first, then in the order of the alphabet.

    Raises:
        RefusedError: the visitor may not see events. Names can still be typed.
    """
    parameters = {
        **chosen.period.bounds,
        **chosen.among,
        "event_type": chosen.event_types,
        "limit": SAMPLE,
        "format": "ndjson",
    }
    events = read_lines("/events/export", parameters)
    counts = Counter(name for event in events for name in event["properties"])
    return sorted(counts, key=lambda name: (-counts[name], name))


def choices(chosen: Filters) -> list[str]:
    """The same as values of `by` and `breakdown`; none where the visitor may not see events."""
    try:
        return [PREFIX + name for name in names(chosen)]
    except RefusedError:
        return []


def as_parameter(choice: str | None) -> str:
    """A value of `by` or `breakdown`; a name that was typed without its prefix is a property's."""
    if not choice or choice == "event_type":
        return "event_type"
    return choice if choice.startswith(PREFIX) else PREFIX + choice
