"""What all pages share: range and sources, in the sidebar, and the filters of the bar. All is in the URL, so that a copied link shows
the same."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import available_timezones

import streamlit as st

from event_tracker.dashboard.charts import style
from event_tracker.dashboard.client.api import ask
from event_tracker.dashboard.client.service import RefusedError, UnavailableError
from event_tracker.dashboard.filters import conditions, grammar
from event_tracker.dashboard.filters.grammar import Condition, Part
from event_tracker.dashboard.filters.period import CUSTOM, PRESETS, Period
from event_tracker.dashboard.markdown import as_text

DEFAULT_PRESET = "30 days"
FILTER = "filter"
"""The URL parameter of the bar's filters, as the query service takes it."""

UNCHOSEN: dict[str, Any] = {"tz": None, "range": DEFAULT_PRESET, "source": [], FILTER: []}
"""The default values, which aren't in the URL. (`days` are in the URL while they are used.)"""

SHARED = [*UNCHOSEN, "days"]
"""The URL parameters that all pages share."""

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
"""The first and the last day that can be chosen."""


@dataclass(frozen=True)
class Filters:
    """What the reader chose. An empty list of sources means all. `shown_sources` has the names in any case.

    `filters` are those of the bar: all of them must match.
    """

    period: Period
    sources: list[str]
    shown_sources: list[str]
    filters: list[str] = field(default_factory=list)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters for the endpoints below /stats."""
        return {**self.period.parameters, **self.selection}

    @property
    def selection(self) -> dict[str, Any]:
        """The parameters that select events."""
        return {**self.among, FILTER: self.filters}

    @property
    def among(self) -> dict[str, Any]:
        """The parameters of every request about events: the answers are as if there were only events of these sources."""
        return {"source": self.sources}


def choose() -> Filters:
    """Draw the sidebar's choices, and return them."""
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
    return Filters(period, sources, sources or known, _carry_filters())


def _keep_in_url() -> None:
    # Streamlit takes to another page only the URL parameters of inputs drawn so far. A reader who was quicker than that still has
    # the choices, but not in the URL.
    for key, everything in UNCHOSEN.items():
        chosen = st.session_state.get(key, everything)
        if chosen != everything and key not in st.query_params:
            st.session_state[key] = chosen


def _sources() -> list[str]:
    """The sources that the reader may see."""
    try:
        names: list[str] = ask("/sources")["sources"]
    except (UnavailableError, RefusedError):
        return []
    return names


def _choose_sources(names: list[str]) -> list[str]:
    # With one source or none there is nothing to choose.
    return (
        st.multiselect("Sources", names, key="source", bind="query-params", placeholder="All") if len(names) > 1 else []
    )


def _choose_zone() -> str:
    # Without a default in the widget the zone is always in the URL, so that a link shows the same days to everybody.
    zones = sorted(available_timezones())
    if st.session_state.get("tz", st.query_params.get("tz")) not in zones:
        here = st.context.timezone
        st.session_state["tz"] = st.query_params["tz"] = here if here in zones else "UTC"
    return st.selectbox("Time zone", zones, index=None, key="tz", bind="query-params", required=True) or "UTC"


def _choose_days(tz: str) -> Period:
    # Not bound to the URL by Streamlit: it would reduce two equal days to one, and silently drop values that it can't read.
    if "days" not in st.session_state or _went_back():
        default = Period.latest(PRESETS[DEFAULT_PRESET], tz)
        st.session_state["days"] = days_in_url("days") or (default.first, default.last)
    st.date_input(
        "First and last day", min_value=FIRST_DAY, max_value=LAST_DAY, key="days", format="YYYY-MM-DD",
        required=True, persist_state="session",
    )  # fmt: skip
    chosen: tuple[date, ...] = st.session_state["days"]
    # There is only one day while the reader has clicked on the first one only.
    st.query_params["days"] = st.session_state["days_in_url"] = for_url(chosen)
    return Period(chosen[0], chosen[-1], tz)


def set_days(first: date, last: date) -> None:
    """Set the range to these days. Call it before the filters are drawn again."""
    # Each change of the URL is a step of the browser's history. The days come first, so that Back leads to a URL without `range`.
    st.query_params["days"] = for_url((first, last))
    st.session_state["range"], st.session_state["days"] = CUSTOM, (first, last)


def _carry_filters() -> list[str]:
    """The filters of the bar. They are the value of an input that nobody sees: Streamlit keeps that in the URL, from page to page and
    at the button Back."""
    former = _take_former()
    if former:
        filters = [*st.query_params.get_all(FILTER), *(condition.short for condition in former)]
        st.session_state[FILTER] = st.query_params[FILTER] = filters
    with st.container(key=style.UNSEEN):
        chosen: list[str] = st.multiselect("Filters", [], key=FILTER, bind="query-params", accept_new_options=True)
    return chosen


def _take_former() -> list[Condition]:
    """The conditions in a link of the release before, whose pages had parameters of their own for some. They are taken out of the URL."""
    found = []
    types = st.query_params.get_all("event_type")
    if types:
        found.append(Condition("event_type", "is" if len(types) == 1 else grammar.LIST, tuple(types)))
    found += [
        grammar.equals(name, st.query_params[name]) for name in ("user_id", "session_id") if st.query_params.get(name)
    ]
    pairs = conditions.by_name(st.query_params.get_all("property"))
    found += [grammar.equals(grammar.property_field(name), value) for name, value in pairs.items()]
    for name in ("event_type", "user_id", "session_id", "property"):
        st.query_params.pop(name, None)
    return found


def add(condition: Condition) -> None:
    """Add a condition to the bar, before it is drawn again."""
    st.session_state[FILTER] = with_conditions(condition)


def with_conditions(*added: Part) -> list[str]:
    """The filters of the bar, and these."""
    return list(dict.fromkeys([*st.session_state.get(FILTER, []), *grammar.write(added)]))


def for_url(days: tuple[date, ...]) -> list[str]:
    """The first and the last day as they are in the URL."""
    return [days[0].isoformat(), days[-1].isoformat()]


def _went_back() -> bool:
    """Whether the URL has other days than were written to it, though none were chosen: the reader has used the button Back."""
    given, written = st.query_params.get_all("days"), st.session_state.get("days_in_url")
    return bool(given) and given != written == for_url(st.session_state["days"])


def days_in_url(parameter: str) -> tuple[date, date] | None:
    """The first and the last day in the URL. If they aren't valid, show a message and return None."""
    given = st.query_params.get_all(parameter)
    try:
        days = sorted(date.fromisoformat(day) for day in given)
    except ValueError:
        days = []
    if days and days[0] >= FIRST_DAY and days[-1] <= LAST_DAY:
        return days[0], days[-1]
    if given:
        st.warning(
            f"“{as_text(', '.join(given))}” in the link isn't used: days are written as 2026-11-30, "
            f"from {FIRST_DAY} to {LAST_DAY}."
        )
    return None


def known_types(sources: Sequence[str] = ()) -> list[str]:
    """All event types of these sources or of all, the most frequent first. Raises as `ask` does."""
    return [item["event_type"] for item in ask("/stats/top-types", limit=1000, source=list(sources))["items"]]
