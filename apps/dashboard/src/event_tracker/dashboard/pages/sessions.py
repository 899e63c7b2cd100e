"""The page Sessions: how many there are, how long they last, where they begin and end."""

import streamlit as st

from event_tracker.dashboard.charts import charts, links, numbers, rankings, style, tiles
from event_tracker.dashboard.charts.links import Linked
from event_tracker.dashboard.client.api import Answer, ask
from event_tracker.dashboard.filters import properties
from event_tracker.dashboard.filters.filters import Filters
from event_tracker.dashboard.notices import show_nothing_found


def show(chosen: Filters) -> None:
    """Draw the page."""
    left, right = st.columns(2)
    minutes = left.number_input(
        "Session timeout (minutes)", min_value=1, max_value=1440, value=30, key="gap", bind="query-params",
        help="A longer pause begins a new session. Events with a session_id belong to the session of that id instead.",
    )  # fmt: skip
    offered = ["event_type", *properties.choices(chosen)]
    by = right.selectbox(
        "Entries and exits by",
        offered,
        index=offered.index(properties.place(offered)),
        key="by",
        bind="query-params",
        accept_new_options=True,
    )
    gap = int(minutes or 30) * 60
    answer = ask("/stats/sessions", gap=gap, by=properties.as_parameter(by), **chosen.parameters)
    if answer["sessions"] == 0:
        show_nothing_found("sessions")
        return
    _totals(answer)
    over_time = ask(
        "/stats/timeseries", metric="sessions", gap=gap, interval=chosen.period.interval, **chosen.parameters
    )
    charts.draw_over_time(over_time, "Sessions", alt=f"Sessions over time, {chosen.period}", period=chosen.period)
    charts.as_table(charts.series_table(over_time), "Sessions over time as a table")
    with st.container(key=style.NARROW):
        for column, (side, title) in zip(
            st.columns(2), {"entries": "Sessions begin with", "exits": "Sessions end with"}.items(), strict=True
        ):
            with column:
                st.header(title, anchor=False)
                _edges(answer[side], title, properties.as_parameter(by))


def _edges(edges: list[Answer], title: str, by: str) -> None:
    words = [numbers.MISSING if one["key"] is None else one["key"] for one in edges]
    names = numbers.make_distinct(words, [one["key"] is None for one in edges])
    rows = [
        (
            [Linked(name, None if one["key"] is None else links.to_events_by(by, one["key"]))],
            one["count"],
            numbers.share(one["share"]),
        )
        for name, one in zip(names, edges, strict=True)
    ]
    rankings.show([properties.name(by), "Sessions", "Share"], rows, title)


def _totals(answer: Answer) -> None:
    duration = answer["duration"]
    values = {
        "Sessions": numbers.count(answer["sessions"]),
        "Users": numbers.count(answer["users"]),
        "Events": numbers.count(answer["events"]),
        "Events per session": numbers.average(answer["events_per_session"]),
        "Bounces": numbers.count(answer["bounces"]),
        "Bounce rate": numbers.share(answer["bounce_rate"]),
        "Median duration": numbers.duration(duration["median"]),
        "90th percentile duration": numbers.duration(duration["p90"]),
    }
    tiles.show(values)
    st.caption(
        f"A bounce is a session of one event. Durations run from the first event to the last: "
        f"{numbers.duration(duration['mean'])} on average, {numbers.duration(duration['max'])} at most."
    )
