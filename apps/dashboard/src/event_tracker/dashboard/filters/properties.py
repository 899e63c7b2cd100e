"""The names of properties to choose from. No endpoint lists them: they are those that some events of the range have."""

from collections import Counter

from event_tracker.dashboard.client.api import ask_lines_concurrently
from event_tracker.dashboard.client.service import RefusedError
from event_tracker.dashboard.filters.filters import Filters

PARTS, SAMPLE = 4, 50
"""The newest so many events of each of so many parts of the range: what is sent has changed meanwhile."""

PREFIX = "property:"

PLACES = ["page", "path", "url", "screen"]
"""Properties that tell where in a site or an app an event was, the likeliest first."""


def names(chosen: Filters) -> list[str]:
    """The names that a sample of the range's events have, the commonest first, then in the order of the alphabet.

    Raises:
        RefusedError: the visitor may not see events. Names can still be typed.
    """
    asked = {**chosen.among, "event_type": chosen.event_types, "limit": SAMPLE, "format": "ndjson"}
    with ask_lines_concurrently() as later:
        parts = [later("/events/export", {**asked, **part}) for part in chosen.period.parts(PARTS)]
        counts = Counter(name for part in parts for event in part() for name in event["properties"])
    return sorted(counts, key=lambda name: (-counts[name], name))


def choices(chosen: Filters) -> list[str]:
    """The same as values of `by` and `breakdown`; none where the visitor may not see events."""
    try:
        return [PREFIX + name for name in names(chosen)]
    except RefusedError:
        return []


def place(choices: list[str]) -> str:
    """The choice by which pages or screens are told apart; event types where there is none."""
    return next((PREFIX + name for name in PLACES if PREFIX + name in choices), "event_type")


def name(choice: str | None) -> str:
    """What a table calls it."""
    return "Event type" if as_parameter(choice) == "event_type" else str(choice).removeprefix(PREFIX)


def as_parameter(choice: str | None) -> str:
    """A value of `by` or `breakdown`; a name that was typed without its prefix is a property's."""
    if not choice or choice == "event_type":
        return "event_type"
    return choice if choice.startswith(PREFIX) else PREFIX + choice
