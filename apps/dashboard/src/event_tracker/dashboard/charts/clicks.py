"""Actions for clicks on a chart. The sidebar can do the same, for visitors without a pointer."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from event_tracker.dashboard.charts import points
from event_tracker.dashboard.client.api import Answer
from event_tracker.dashboard.filters import filters
from event_tracker.dashboard.filters.period import Period

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
        end = points.end_of(start, answer["interval"]).astimezone(ZoneInfo(period.tz)) - timedelta(microseconds=1)
        filters.set_days(max(start.date(), period.first), min(end.date(), period.last))

    return click


def filter_by_type(point: Mapping[str, Any]) -> None:
    """The action for a bar of an event type: filter by that type."""
    st.session_state["event_type"] = [point["y"]]


def describe_narrowing(answer: Answer, period: Period) -> str:
    """The sentence that explains `narrow`."""
    interval = "day" if answer["interval"] in points.BY_THE_CLOCK else answer["interval"]
    return (
        f"A click on a point narrows the range to its {interval}, as do dates in the sidebar."
        if period.days > 1
        else ""
    )
