"""URLs of pages with other choices, and texts that link to them."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from typing import NamedTuple
from urllib.parse import unquote, urlencode

import streamlit as st

from event_tracker.dashboard.filters import filters, grammar, properties
from event_tracker.dashboard.filters.grammar import Condition
from event_tracker.dashboard.filters.period import CUSTOM

EVENTS, USERS = "explore", "users"
"""The paths of the pages that list events and users."""


class Linked(NamedTuple):
    """A text that is a link if it has a URL."""

    text: str
    url: str | None = None


def as_label(text: str) -> str:
    """A text for Plotly, which would take `<b>` or a link in it for markup."""
    return escape(text, quote=False)


def as_linked_label(part: Linked) -> str:
    """A label for Plotly, with its link. Without it if Plotly would change the URL."""
    # Plotly decodes a URL and encodes it again, which leaves these signs alone. If they are encoded, it encodes their % once more.
    url = re.sub("%(2F|3A|3D|3F|40|2C|24|3B)", lambda sign: unquote(sign[0]), part.url or "")
    if not url or re.search("%(26|2B|23)", url):
        return as_label(part.text)
    # Without the inner element Chromium doesn't pass clicks on.
    return f'<a href="{escape(url)}" target="_self"><span>{as_label(part.text)}</span></a>'


def with_choices(page: str, **parameters: str | list[str]) -> str:
    """The URL of a page with all current choices, and these parameters changed."""
    chosen: dict[str, str | list[str]] = {name: st.query_params.get_all(name) for name in st.query_params}
    return f"/{page}?{urlencode({**chosen, **parameters}, doseq=True)}"


def to_events(*conditions: Condition) -> str:
    """The URL of the page Explore with the choices that pages share, and these conditions added."""
    return _with_shared_choices(EVENTS, {filters.FILTER: filters.with_conditions(*conditions)})


def to_users(days: tuple[date, date], first_seen: tuple[date, date]) -> str:
    """The URL of the list of users who have events on these days and were first seen on those, with the other choices that pages share.

    Args:
        days, first_seen: the first and the last day, both included.
    """
    chosen = {"range": [CUSTOM], "days": filters.for_url(days), "first_seen": filters.for_url(first_seen)}
    return _with_shared_choices(USERS, chosen)


def _with_shared_choices(page: str, parameters: Mapping[str, Sequence[str]]) -> str:
    shared = {name: st.query_params.get_all(name) for name in filters.SHARED if name in st.query_params}
    return f"/{page}?{urlencode({**shared, **parameters}, doseq=True)}"


def to_events_by(by: str, value: str) -> str:
    """The URL of the events with this value of `by`, which is `event_type` or `property:NAME`."""
    name = properties.as_parameter(by)
    field = name if name == "event_type" else grammar.property_field(properties.name(name))
    return to_events(grammar.equals(field, value))
