"""The names of properties to choose from, as the query service suggests them."""

from event_tracker.dashboard.client.api import ask
from event_tracker.dashboard.filters.filters import Filters
from event_tracker.dashboard.filters.grammar import property_name

MOST = 500

PREFIX = "property:"

PLACES = ["page", "path", "url", "screen"]
"""Properties that usually have the page or screen of an event, the most usual first."""


def names(chosen: Filters) -> list[str]:
    """Names of properties of a sample of the range's events, those of the newest first."""
    items = ask("/stats/fields", limit=MOST, **chosen.period.parameters, **chosen.among)["items"]
    return [property_name(item["field"]) for item in items if item["type"] == "property"]


def choices(chosen: Filters) -> list[str]:
    """The same names as values of `by` and `breakdown`."""
    return [PREFIX + name for name in names(chosen)]


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
