"""The names of properties to choose from. No endpoint lists them, so they are taken from a sample of events."""

from collections import Counter

from event_tracker.dashboard.client.api import ask_lines_concurrently
from event_tracker.dashboard.client.service import RefusedError
from event_tracker.dashboard.filters.filters import Filters

PARTS, SAMPLE = 4, 50
"""The sample: the newest SAMPLE events of each of PARTS parts of the range, since properties may change over time."""

PREFIX = "property:"

PLACES = ["page", "path", "url", "screen"]
"""Properties that usually have the page or screen of an event, the most usual first."""


def names(chosen: Filters) -> list[str]:
    """The names of properties in a sample of the range's events, the most frequent first, then in alphabetical order.

    Raises:
        RefusedError: the visitor may not see events. Names can still be typed.
    """
    asked = {**chosen.among, "event_type": chosen.event_types, "limit": SAMPLE, "format": "ndjson"}
    with ask_lines_concurrently() as later:
        parts = [later("/events/export", {**asked, **part}) for part in chosen.period.parts(PARTS)]
        counts = Counter(name for part in parts for event in part() for name in event["properties"])
    return sorted(counts, key=lambda name: (-counts[name], name))


def choices(chosen: Filters) -> list[str]:
    """The same names as values of `by` and `breakdown`; an empty list if the visitor may not see events."""
    try:
        return [PREFIX + name for name in names(chosen)]
    except RefusedError:
        return []


def place(choices: list[str]) -> str:
    """The choice that has the page or screen; `event_type` if there is none."""
    return next((PREFIX + name for name in PLACES if PREFIX + name in choices), "event_type")


def name(choice: str | None) -> str:
    """The name of a choice in a table."""
    return "Event type" if as_parameter(choice) == "event_type" else str(choice).removeprefix(PREFIX)


def as_parameter(choice: str | None) -> str:
    """The value of `by` or `breakdown` for a choice. A name typed without prefix is that of a property."""
    if not choice or choice == "event_type":
        return "event_type"
    return choice if choice.startswith(PREFIX) else PREFIX + choice
