"""Overview: what happens now, and what happened in the range, against the range before."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import charts, numbers, properties, tiles
from dashboard.api import Answer, ask
from dashboard.filters import Filters
from dashboard.notices import absence_as_sentence, nothing_here, refusal_as_sentence
from dashboard.period import Period
from dashboard.service import RefusedError

LIVE_SECONDS = 5
LIVE_MINUTES = 30
TOP = 10
METRICS = {"events": "Events", "users": "Users", "sessions": "Sessions"}


def show(chosen: Filters) -> None:
    """Draw the page."""
    _live(chosen)
    st.header(str(chosen.period), anchor=False)
    with refusal_as_sentence():
        _totals(chosen)
    with refusal_as_sentence():
        _over_time(chosen)
    with refusal_as_sentence():
        _users(chosen)
    types, values = st.columns(2)
    with types, refusal_as_sentence():
        _top_types(chosen)
    with values, refusal_as_sentence():
        _top_values(chosen)


@st.fragment(run_every=LIVE_SECONDS)
def _live(chosen: Filters) -> None:
    """The last half hour, asked anew every few seconds."""
    to = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    window = {
        **chosen.parameters,
        "from": (to - timedelta(minutes=LIVE_MINUTES)).isoformat(),
        "to": to.isoformat(),
    }
    st.header(f"Last {LIVE_MINUTES} minutes", anchor=False)
    with absence_as_sentence(), refusal_as_sentence():
        answers = {metric: ask("/stats/timeseries", interval="minute", metric=metric, **window) for metric in METRICS}
        tiles.show({name: numbers.count(answers[metric]["series"][0]["total"]) for metric, name in METRICS.items()})
        events = answers["events"]
        # Without a word on the minute that isn't over: it is always there.
        charts.draw(
            charts.over_time(events, "Events"), alt=f"Events by the minute, last {LIVE_MINUTES} minutes", height=190
        )
        as_of = datetime.fromisoformat(events["as_of"]).astimezone(ZoneInfo(events["tz"]))
        st.caption(f"As of {as_of:%H:%M:%S} ({events['tz']}); asked again every {LIVE_SECONDS} seconds.")


def _totals(chosen: Filters) -> None:
    """The range's totals, each with the same question's answer for the range before."""
    before = chosen.period.before()
    now, then = _ask_totals(chosen.parameters), _ask_totals({**chosen.parameters, **before.parameters})
    if _had_begun(chosen, before):
        tiles.compare(now, then)
        st.caption(f"Compared with the same question for {before}.")
    else:
        tiles.show({name: numbers.count(value) for name, value in now.items()})
        st.caption(f"Not compared with {before}: there are no events before that, so it may not have all of its own.")


def _had_begun(chosen: Filters, period: Period) -> bool:
    """Whether there were events in as many days before, so that this period isn't the one in which they began."""
    (events,) = ask("/stats/timeseries", interval="month", **{**chosen.parameters, **period.before().parameters})[
        "series"
    ]
    return bool(events["total"])


def _ask_totals(parameters: dict[str, Any]) -> dict[str, int]:
    (events,) = ask("/stats/timeseries", interval="month", **parameters)["series"]
    users = ask("/stats/users", interval="month", **parameters)
    return {
        "Events": events["total"],
        "Active users": users["active"],
        "New users": users["new"],
        "Sessions": ask("/stats/sessions", **parameters)["sessions"],
    }


def _over_time(chosen: Filters) -> None:
    left, middle, right = st.columns(3)
    metric = left.segmented_control(
        "Count", list(METRICS), default="events", required=True, key="metric", bind="query-params"
    )
    breakdown = middle.selectbox(
        "By", ["event_type", *properties.choices(chosen)], key="breakdown", bind="query-params", accept_new_options=True
    )
    interval = right.selectbox(
        "Interval", ["auto", "hour", "day", "week", "month"], key="interval", bind="query-params"
    )
    answer = ask(
        "/stats/timeseries",
        interval=chosen.period.interval if interval == "auto" else interval,
        metric=metric,
        breakdown=properties.as_parameter(breakdown),
        **chosen.parameters,
    )
    name = METRICS[metric or "events"]
    if not any(series["total"] for series in answer["series"]):
        nothing_here()
        return
    charts.draw_over_time(answer, name, alt=f"{name} over time by {breakdown}, {chosen.period}")
    charts.as_table(charts.series_table(answer), f"{name} over time as a table")


def _users(chosen: Filters) -> None:
    answer = ask("/stats/users", interval=_users_interval(chosen), **chosen.parameters)
    st.header("Active users", anchor=False)
    st.caption(
        f"{numbers.count(answer['active'])} active: {numbers.count(answer['new'])} whose first event ever lies in the range, "
        f"and {numbers.count(answer['returning'])} from before."
    )
    charts.draw(charts.stacked_users(answer), alt=f"New and returning users by {answer['interval']}, {chosen.period}")
    charts.explain_unfinished(answer, "Hatched")
    charts.as_table(answer["points"], "Active users as a table")


def _users_interval(chosen: Filters) -> str:
    return "day" if chosen.period.interval == "hour" else chosen.period.interval


def _top_types(chosen: Filters) -> None:
    st.header("Top event types", anchor=False)
    now = ask("/stats/top-types", limit=1000, **chosen.period.bounds, **chosen.among)
    before = ask("/stats/top-types", limit=1000, **chosen.period.before().bounds, **chosen.among)
    counts = {item["event_type"]: item["count"] for item in before["items"]}
    rows = [
        {
            "Event type": item["event_type"],
            "Events": item["count"],
            "Share": item["share"],
            "Before": counts.get(item["event_type"], 0),
            "Change": item["count"] - counts.get(item["event_type"], 0),
        }
        for item in now["items"]
        if not chosen.event_types or item["event_type"] in chosen.event_types
    ][:TOP]
    if not rows:
        nothing_here()
        return
    _table(rows, "Top event types")
    st.caption(f"Shares are of all {numbers.count(now['total'])} events of the range.")


def _top_values(chosen: Filters) -> None:
    st.header("Top values of a property", anchor=False)
    try:
        names = properties.names(chosen)
    except RefusedError:
        names = []
    else:
        if not names:
            nothing_here("properties")
            return
    name = st.selectbox(
        "Property", names, index=0 if names else None, key="top", bind="query-params", accept_new_options=True,
        placeholder="Type a property's name",
    )  # fmt: skip
    if not name:
        return
    answer = ask("/stats/top-properties", key=name, limit=TOP, **chosen.parameters)
    rows = [{str(name): item["value"], "Events": item["count"], "Share": item["share"]} for item in answer["items"]]
    _table(rows, f"Top values of {name}")
    st.caption(
        f"Shares are of the {numbers.count(answer['total'])} events that have it; {numbers.count(answer['missing'])} don't."
    )


def _table(rows: list[Answer], alt: str) -> None:
    charts.table(rows, alt, Share=st.column_config.NumberColumn(format="percent"))
