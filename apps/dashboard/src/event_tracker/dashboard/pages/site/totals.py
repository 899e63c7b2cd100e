"""The numbers of a site, compared with the range before, and one of them over time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import streamlit as st

from event_tracker.dashboard.charts import charts, clicks, numbers, tiles
from event_tracker.dashboard.charts.tiles import Tile
from event_tracker.dashboard.client.api import Answer, Later
from event_tracker.dashboard.filters.filters import Filters


class Metric(NamedTuple):
    """A number over time: its member of a point, and how it is written on the axis and beside a point (d3-format)."""

    member: str
    ticks: str = ""
    hover: str = ","
    unit: str = ""


METRICS = {
    "Visitors": Metric("visitors"),
    "Page views": Metric("page_views"),
    "Sessions": Metric("sessions"),
    "Bounce rate": Metric("bounce_rate", ".0%", ".1%"),
    "Mean duration": Metric("duration_mean", ",~f", ",.1f", " s"),
}

Asked = tuple[Callable[[], Answer], Callable[[], Answer]]


def ask_totals(later: Later[Answer], chosen: Filters) -> Asked:
    """Send the requests for `show`: for the range, and for the range before up to the same time of day."""
    before = {**chosen.parameters, **chosen.period.before().parameters}
    return (
        later("/stats/web", interval=chosen.period.interval, **chosen.parameters),
        later("/stats/web", interval="month", **before),
    )


def show(chosen: Filters, asked: Asked) -> bool:
    """Draw the numbers and the chart. Returns False, and draws nothing, if there are no page views in the range."""
    now, then = (answer() for answer in asked)
    if not now["totals"]["page_views"]:
        return False
    # As on the Overview: what began within the range before can't be compared with it.
    earlier = then["before"]
    is_comparable = bool(earlier and earlier["totals"]["page_views"])
    tiles.show_tiles(_tiles(now["totals"], then["totals"] if is_comparable else None), "six")
    before = chosen.period.before()
    st.caption(
        f"Compared with {before}."
        if is_comparable
        else f"Not compared with {before}: there are no page views before that, so it may be incomplete."
    )
    _over_time(chosen, now)
    return True


def _tiles(now: Answer, then: Answer | None) -> dict[str, Tile]:
    before = then or dict.fromkeys(now)
    counts = {"Visitors": "visitors", "Page views": "page_views", "Sessions": "sessions"}
    return {
        **{name: _compare(now[member], before[member], numbers.count) for name, member in counts.items()},
        "Bounce rate": _compare_rates(now["bounce_rate"], before["bounce_rate"]),
        "Mean duration": _compare(_mean(now), _mean(before), numbers.duration),
        "Views per session": _compare(now["views_per_session"], before["views_per_session"], numbers.average),
    }


def _mean(totals: Answer) -> int:
    """Whole seconds."""
    return round(totals["duration"]["mean"]) if totals["duration"] else 0


def _compare(now: float | None, then: float | None, write: Callable[[Any], str]) -> Tile:
    if now is None or not then:
        return Tile(write(now))
    return Tile(write(now), f"{now / then - 1:+.1%}", f"from {write(then)}")


def _compare_rates(now: float | None, then: float | None) -> Tile:
    """The change of a share in points: 40 % after 50 % are 10 points less, and good."""
    if now is None or then is None:
        return Tile(numbers.share(now))
    return Tile(
        numbers.share(now), f"{(now - then) * 100:+.1f} points", f"from {numbers.share(then)}", less_is_better=True
    )


def _over_time(chosen: Filters, answer: Answer) -> None:
    choice = st.segmented_control(
        "Shown over time", list(METRICS), default="Visitors", required=True, key="metric", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    name = str(choice or "Visitors")
    metric = METRICS[name]
    series = as_series(answer, metric.member)
    figure = charts.over_time(series, name).update_xaxes(title=None)
    figure.update_traces(
        hovertemplate=f"%{{customdata}}: <b>%{{y:{metric.hover}}}{metric.unit}</b>",
        selector=lambda trace: trace.hoverinfo != "skip",
    )
    if metric.ticks:
        figure.update_yaxes(tickformat=metric.ticks, ticksuffix=metric.unit, dtick=None)
    alt = f"{name} over time, {chosen.period}"
    charts.draw(figure, alt=alt, height=280, click=clicks.narrow(series, chosen.period))
    charts.explain(series, "Dashed", chosen.period)
    columns = {name: [point[shown.member] for point in answer["series"]] for name, shown in METRICS.items()}
    charts.as_table({answer["interval"]: series["points"], **columns}, "These numbers over time as a table")


def as_series(answer: Answer, member: str) -> Answer:
    """A member of the points of /stats/web in the form of /stats/timeseries."""
    values = [point[member] for point in answer["series"]]
    return {
        **{name: answer[name] for name in ("from", "to", "tz", "as_of", "interval")},
        "points": [point["start"] for point in answer["series"]],
        "series": [{"kind": "all", "key": None, "values": values, "total": None}],
    }
