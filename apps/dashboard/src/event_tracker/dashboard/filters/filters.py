"""The choices that all pages share, in the sidebar. Each stands in the URL, so that a copied link shows the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import available_timezones

import streamlit as st

from event_tracker.dashboard.client.api import ask
from event_tracker.dashboard.client.service import RefusedError, UnavailableError
from event_tracker.dashboard.filters.period import CUSTOM, PRESETS, Period

DEFAULT_PRESET = "30 days"
UNCHOSEN: dict[str, Any] = {"tz": None, "range": DEFAULT_PRESET, "source": [], "event_type": []}
"""What stands in the URL once it is another; `days` stand there as long as they are used."""

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
"""Days that can be chosen."""


@dataclass(frozen=True)
class Filters:
    """What the visitor chose. None of the event types or sources means all of them; `shown_sources` are those, by name."""

    period: Period
    event_types: list[str]
    sources: list[str]
    shown_sources: list[str]

    @property
    def parameters(self) -> dict[str, Any]:
        """What the endpoints below /stats ask for."""
        return {**self.period.parameters, **self.among, "event_type": self.event_types}

    @property
    def among(self) -> dict[str, Any]:
        """What every question about events asks for: everything is as if there were only these sources' events."""
        return {"source": self.sources}


def choose() -> Filters:
    """Show the choices, and return what was chosen."""
    _keep_in_url()
    with st.sidebar:
        tz = _choose_zone()
        preset = st.selectbox(
            "Range", [*PRESETS, CUSTOM], index=list(PRESETS).index(DEFAULT_PRESET), key="range", bind="query-params",
            help="The last so many days, today included; “dates” lets you choose the first and the last day.",
        )  # fmt: skip
        if preset == CUSTOM:
            period = _choose_days(tz)
        else:
            st.query_params.pop("days", None)
            period = Period.latest(PRESETS[preset], tz)
        known = _sources()
        sources = _choose_sources(known)
        event_types = st.multiselect(
            "Event types", _types_or_none(sources), key="event_type", bind="query-params", accept_new_options=True, placeholder="All",
        )  # fmt: skip
    return Filters(period, event_types, sources, sources or known)


def _keep_in_url() -> None:
    # Streamlit takes along to another page what is drawn already. Whoever was quicker has the choices, and a URL without them.
    for key, everything in UNCHOSEN.items():
        chosen = st.session_state.get(key, everything)
        if chosen != everything and key not in st.query_params:
            st.session_state[key] = chosen


def _sources() -> list[str]:
    """Those that the visitor may see."""
    try:
        names: list[str] = ask("/sources")["sources"]
    except (UnavailableError, RefusedError):
        return []
    return names


def _choose_sources(names: list[str]) -> list[str]:
    # There is nothing to choose where there is one, or none.
    return (
        st.multiselect("Sources", names, key="source", bind="query-params", placeholder="All") if len(names) > 1 else []
    )


def _choose_zone() -> str:
    # Without a default in the widget the zone always stands in the URL, and whoever opens it elsewhere sees the same days.
    zones = sorted(available_timezones())
    if st.session_state.get("tz", st.query_params.get("tz")) not in zones:
        here = st.context.timezone
        st.session_state["tz"] = st.query_params["tz"] = here if here in zones else "UTC"
    return st.selectbox("Time zone", zones, index=None, key="tz", bind="query-params", required=True) or "UTC"


def _choose_days(tz: str) -> Period:
    # Not bound to the URL by Streamlit: that makes one day of two that are the same, and drops what it can't read without a word.
    if "days" not in st.session_state or _went_back():
        default = Period.latest(PRESETS[DEFAULT_PRESET], tz)
        st.session_state["days"] = _days_of_link() or (default.first, default.last)
    st.date_input(
        "First and last day", min_value=FIRST_DAY, max_value=LAST_DAY, key="days", format="YYYY-MM-DD",
        required=True, persist_state="session",
    )  # fmt: skip
    chosen: tuple[date, ...] = st.session_state["days"]
    # While the visitor has clicked on the first day only, there is one.
    st.query_params["days"] = st.session_state["days_in_url"] = _as_text(chosen)
    return Period(chosen[0], chosen[-1], tz)


def set_days(first: date, last: date) -> None:
    """Choose these days, before the choices are drawn anew."""
    # Each change of the URL is a step of the browser's history: the days first, so that Back leads to one without `range`.
    st.query_params["days"] = _as_text((first, last))
    st.session_state["range"], st.session_state["days"] = CUSTOM, (first, last)


def _as_text(days: tuple[date, ...]) -> list[str]:
    return [days[0].isoformat(), days[-1].isoformat()]


def _went_back() -> bool:
    """Whether the URL names other days than it was given, and nobody has chosen others: so does the browser's button Back."""
    given, written = st.query_params.get_all("days"), st.session_state.get("days_in_url")
    return bool(given) and given != written == _as_text(st.session_state["days"])


def _days_of_link() -> tuple[date, date] | None:
    """The first and the last day that the URL names; where it names others, a sentence says that they aren't used."""
    given = st.query_params.get_all("days")
    try:
        days = sorted(date.fromisoformat(day) for day in given)
    except ValueError:
        days = []
    if days and days[0] >= FIRST_DAY and days[-1] <= LAST_DAY:
        return days[0], days[-1]
    if given:
        st.warning(
            f"“{', '.join(given)}” in the link isn't used: days are written as 2026-11-30, from {FIRST_DAY} to {LAST_DAY}."
        )
    return None


def known_types(sources: Sequence[str] = ()) -> list[str]:
    """Every event type of these sources or of all, the commonest first. Raises as `ask` does."""
    return [item["event_type"] for item in ask("/stats/top-types", limit=1000, source=list(sources))["items"]]


def _types_or_none(sources: list[str]) -> list[str]:
    # While the query service doesn't answer there is nothing to choose from, and the page says why.
    try:
        return known_types(sources)
    except (UnavailableError, RefusedError):
        return []
