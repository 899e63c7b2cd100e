"""The page Overview: the last minutes, and the range compared with the one before."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from event_tracker.dashboard.charts import charts, clicks, links, numbers, rankings, style, tiles
from event_tracker.dashboard.charts.links import Linked
from event_tracker.dashboard.client.api import Answer, Later, ask, ask_concurrently
from event_tracker.dashboard.filters import filters, grammar, properties
from event_tracker.dashboard.filters.filters import Filters
from event_tracker.dashboard.markdown import as_text
from event_tracker.dashboard.notices import show_nothing_found, show_refusal, show_unavailable

LIVE_SECONDS = 5
LIVE_MINUTES = 30
TOP = 10
FIELD_PIXELS = 160
"""The width of an input: two fit side by side on a phone."""

METRICS = {"events": "Events", "users": "Users", "sessions": "Sessions"}


def show(chosen: Filters) -> None:
    """Draw the page. Requests that don't depend on its inputs are all sent first, concurrently."""
    st.header(str(chosen.period), anchor=False)
    with ask_concurrently() as later:
        totals = _ask_totals(later, chosen)
        users = later("/stats/users", interval=_users_interval(chosen), **chosen.parameters)
        types = later("/stats/timeseries", interval="month", breakdown="event_type", limit=TOP, **chosen.parameters)
        with show_refusal():
            _totals(chosen, totals)
        with show_refusal():
            _over_time(chosen)
        with st.container(key=style.NARROW):
            left, right = st.columns(2)
            with left, st.container(key="live"):
                _live(chosen)
            with right, show_refusal():
                _users(chosen, users())
        with st.container(key=f"{style.NARROW}-rankings"):
            left, right = st.columns(2)
            with left, show_refusal():
                _top_types(chosen, types())
            with right, show_refusal():
                _top_values(chosen)


@st.fragment(run_every=LIVE_SECONDS)
def _live(chosen: Filters) -> None:
    """Draw the last half hour, and update it every few seconds."""
    to = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    window = {
        **chosen.parameters,
        "from": (to - timedelta(minutes=LIVE_MINUTES)).isoformat(),
        "to": to.isoformat(),
    }
    st.header(f"Last {LIVE_MINUTES} minutes", anchor=False)
    with show_unavailable(), show_refusal(), ask_concurrently() as later:
        asked = {metric: later("/stats/timeseries", interval="minute", metric=metric, **window) for metric in METRICS}
        answers = {metric: answer() for metric, answer in asked.items()}
        tiles.show(
            {name: numbers.count(answers[metric]["series"][0]["total"]) for metric, name in METRICS.items()}, "live"
        )
        events = answers["events"]
        # Without an explanation of the incomplete minute: there always is one.
        figure = charts.over_time(events, "Events").update_xaxes(title=None)
        charts.draw(figure, alt=f"Events by the minute, last {LIVE_MINUTES} minutes", height=170)
        as_of = datetime.fromisoformat(events["as_of"]).astimezone(ZoneInfo(events["tz"]))
        st.caption(f"As of {as_of:%H:%M:%S} ({events['tz']}); updated every {LIVE_SECONDS} seconds.")


def _ask_totals(later: Later[Answer], chosen: Filters) -> list[list[Callable[[], Answer]]]:
    """Send the requests for `_totals`: for the range, the range before, and events before that."""
    before = chosen.period.before()
    asked = [
        [
            later("/stats/timeseries", interval="month", **parameters),
            later("/stats/users", interval="month", **parameters),
            later("/stats/sessions", **parameters),
        ]
        for parameters in (chosen.parameters, {**chosen.parameters, **before.parameters})
    ]
    earlier = {**chosen.parameters, **before.before().parameters}
    return [*asked, [later("/stats/timeseries", interval="month", **earlier)]]


def _totals(chosen: Filters, asked: list[list[Callable[[], Answer]]]) -> None:
    """Draw the range's totals, compared with those of the range before.

    They aren't compared if there are no events before both ranges: the range before may then be incomplete.
    """
    before = chosen.period.before()
    now, then = (_read_totals(*(answer() for answer in one)) for one in asked[:2])
    ((earlier,),) = [answer()["series"] for answer in asked[2]]
    if earlier["total"]:
        tiles.compare(now, then)
        st.caption(f"Compared with {before}.")
    else:
        tiles.show({name: numbers.count(value) for name, value in now.items()})
        st.caption(f"Not compared with {before}: there are no events before that, so it may be incomplete.")


def _read_totals(events: Answer, users: Answer, sessions: Answer) -> dict[str, int]:
    return {
        "Events": events["series"][0]["total"],
        "Active users": users["active"],
        "New users": users["new"],
        "Sessions": sessions["sessions"],
    }


def _over_time(chosen: Filters) -> None:
    # The chart is above most of its inputs, so that it is visible at once on a phone.
    chart = st.container()
    with st.container(horizontal=True):
        breakdown = st.selectbox(
            "Break down by", ["event_type", *properties.choices(chosen)], key="breakdown", bind="query-params",
            accept_new_options=True, width=FIELD_PIXELS,
        )  # fmt: skip
        interval = st.selectbox(
            "Interval",
            ["auto", "hour", "day", "week", "month"],
            key="interval",
            bind="query-params",
            width=FIELD_PIXELS,
        )
    with chart:
        metric = st.segmented_control(
            "Count", list(METRICS), default="events", required=True, key="metric", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
    with show_refusal():
        _chart(chart, chosen, str(metric or "events"), breakdown, interval)


def _chart(place: DeltaGenerator, chosen: Filters, metric: str, breakdown: str | None, interval: str | None) -> None:
    """Draw the chart in its container, and its table here."""
    answer = ask(
        "/stats/timeseries",
        interval=chosen.period.interval if interval in ("auto", None) else interval,
        metric=metric,
        breakdown=properties.as_parameter(breakdown),
        **chosen.parameters,
    )
    name = METRICS[metric]
    with place:
        if not any(series["total"] for series in answer["series"]):
            show_nothing_found()
            return
        alt = f"{name} over time by {breakdown}, {chosen.period}"
        charts.draw_over_time(answer, name, alt=alt, period=chosen.period, height=300)
    charts.as_table(charts.series_table(answer), f"{name} over time as a table")


def _users(chosen: Filters, answer: Answer) -> None:
    st.header("Active users", anchor=False)
    if not answer["active"]:
        show_nothing_found("users")
        return
    st.caption(
        f"{numbers.counted(answer['active'], 'active user')}: {numbers.count(answer['new'])} new (with their first event ever in the "
        f"range), {numbers.count(answer['returning'])} returning."
    )
    alt = f"New and returning users by {answer['interval']}, {chosen.period}"
    figure = charts.stacked_users(answer).update_xaxes(title=None)
    charts.draw(figure, alt=alt, height=230, click=clicks.narrow(answer, chosen.period))
    charts.explain(answer, "Hatched", chosen.period)
    charts.as_table(answer["points"], "Active users as a table")


def _users_interval(chosen: Filters) -> str:
    return "day" if chosen.period.interval == "hour" else chosen.period.interval


def _top_types(chosen: Filters, now: Answer) -> None:
    st.header("Top event types", anchor=False)
    items = {
        series["key"]: series["total"] for series in now["series"] if series["kind"] == "value" and series["total"]
    }
    if not items:
        show_nothing_found()
        return
    asked = {**chosen.parameters, **chosen.period.before().parameters, "event_type": list(items)}
    before = ask("/stats/timeseries", interval="month", breakdown="event_type", limit=TOP, **asked)
    counts = {series["key"]: series["total"] for series in before["series"]}
    total = sum(series["total"] for series in now["series"])
    rows = []
    for name, count in items.items():
        url = links.with_choices("", filter=filters.with_conditions(grammar.equals("event_type", name)))
        then = counts.get(name, 0)
        rows.append(([Linked(name, url)], count, numbers.share(count / total), then, f"{count - then:+,}"))
    rankings.show_top(["Event type", "Events", "Share", "Before", "Change"], rows, "Top event types")
    st.caption(f"Shares are of all {numbers.count(total)} events of the range. Click a type to filter by it.")


def _top_values(chosen: Filters) -> None:
    st.header("Top values of a property", anchor=False)
    names = properties.names(chosen)
    if not names:
        show_nothing_found("properties")
        return
    name = st.selectbox(
        "Property", names, index=0, key="top", bind="query-params", accept_new_options=True,
        placeholder="Type a property's name",
    )  # fmt: skip
    if not name:
        return
    answer = ask("/stats/top-properties", key=name, limit=TOP, **chosen.parameters)
    if not answer["items"]:
        show_nothing_found(f"values of {as_text(name)}")
        return
    rows = [
        (
            [Linked(item["value"], links.to_events_by(properties.PREFIX + name, item["value"]))],
            item["count"],
            numbers.share(item["share"]),
        )
        for item in answer["items"]
    ]
    rankings.show_top(["Value", "Events", "Share"], rows, f"Top values of {name}")
    st.caption(
        f"Shares are of the {numbers.count(answer['total'])} events with this property; {numbers.count(answer['missing'])} "
        "don't have it. Click a value to list its events."
    )
