"""Actions for clicks on a chart. The sidebar and the filter bar can do the same, for readers without a pointer."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

import streamlit as st

from event_tracker.dashboard.charts import opening, points
from event_tracker.dashboard.client.api import Answer
from event_tracker.dashboard.filters import filters, grammar
from event_tracker.dashboard.filters.period import Period

OPENED = "opened_by_click"
"""The key of the URL that a click opens. `st.switch_page` can't: it refuses to leave a page whose inputs are in the URL."""

FOLLOW = f'<a class="opened-by-click" href="{{url}}" target="_self">Opening …</a><script src="{opening.PATH}"></script>'

Click = Callable[[Mapping[str, Any]], None]
"""Is called with a point of a chart, in Plotly's form, before the page is drawn again."""


def narrow(answer: Answer, period: Period) -> Click | None:
    """An action that narrows the range to the days of a point of /stats/timeseries or /stats/users; None if it is one day."""
    if period.days == 1:
        return None
    times = points.moments(answer)
    places = [datetime.fromisoformat(place) for place in points.places(times, answer["interval"])]
    starts = dict(zip(places, times, strict=True))

    def click(point: Mapping[str, Any]) -> None:
        start = starts[datetime.fromisoformat(point["x"])]
        filters.set_days(*points.days_within(period, start, answer["interval"]))

    return click


def filter_by_type(point: Mapping[str, Any]) -> None:
    """The action for a bar of an event type: filter by that type."""
    filters.add(grammar.equals("event_type", point["y"]))


def open_urls(urls: Sequence[str | None]) -> Click:
    """An action for the bars of a chart's first series: open the URL of the bar, if it has one."""

    def click(point: Mapping[str, Any]) -> None:
        if point["curve_number"] == 0:
            st.session_state[OPENED] = urls[point["point_index"]]

    return click


def follow() -> None:
    """Open the URL of the last click, if it had one."""
    url = st.session_state.pop(OPENED, None)
    if url:
        st.html(FOLLOW.format(url=escape(url)), unsafe_allow_javascript=True)


def describe_narrowing(answer: Answer, period: Period) -> str:
    """The sentence that explains `narrow`."""
    interval = "day" if answer["interval"] in points.BY_THE_CLOCK else answer["interval"]
    return (
        f"Click a point to show only its {interval}; Range in the sidebar can do the same." if period.days > 1 else ""
    )
