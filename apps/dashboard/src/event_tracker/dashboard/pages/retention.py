"""The page Retention: how many of the new users of a period return in later ones."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import streamlit as st

from event_tracker.dashboard.charts import charts, clicks, links, numbers, points, rankings, style
from event_tracker.dashboard.charts.links import Linked
from event_tracker.dashboard.client.api import Answer, ask
from event_tracker.dashboard.filters.filters import Filters
from event_tracker.dashboard.filters.period import Period
from event_tracker.dashboard.notices import show_nothing_found

PERIODS = ["day", "week", "month"]
LABEL_PIXELS, CELL_PIXELS = 170, 58
"""The width of labels, and the least width of a cell, so that a share fits in."""


def show(chosen: Filters) -> None:
    """Draw the page."""
    period = st.segmented_control(
        "Cohorts by", PERIODS, default="week", required=True, key="cohort", bind="query-params"
    )
    answer = ask("/stats/retention", period=period, **chosen.parameters)
    if not any(cohort["users"] for cohort in answer["cohorts"]):
        show_nothing_found(
            "new users", "A cohort is made of users whose first event ever lies in the range: choose a longer one."
        )
        return
    st.caption(
        f"A row is a cohort: the users whose first event ever is in that {period}. A column is a number of {period}s later. "
        f"A cell is the share of the cohort that had an event then. Only events in the range count: {chosen.period}. "
        "Click a cell to list its users."
    )
    urls = _urls(answer, chosen.period)
    shown = [number for number, cohort in enumerate(answer["cohorts"]) if cohort["users"]]
    cohorts = [answer["cohorts"][number] for number in shown]
    with style.scrolled(LABEL_PIXELS + CELL_PIXELS * max(len(cohort["rates"]) for cohort in cohorts)):
        charts.draw(
            heat_map(cohorts, str(period)),
            alt=f"Retention by {period}",
            height=140 + 34 * len(cohorts),
            click=clicks.open_urls([url for number in shown for url in urls[number]]),
        )
    if not all(all(_complete(cohort)) for cohort in cohorts):
        st.caption(f"… marks an incomplete {period}, which isn't over yet or is cut off by the range.")
    with st.expander("The users as a table"):
        _table(answer["cohorts"], urls, str(period))


def _urls(answer: Answer, chosen: Period) -> list[list[str | None]]:
    """For each cell of each cohort the URL of its users; None if it has none."""
    starts = [datetime.fromisoformat(cohort["start"]).astimezone(ZoneInfo(chosen.tz)) for cohort in answer["cohorts"]]
    days = [points.days_within(chosen, start, answer["period"]) for start in starts]
    return [
        [
            links.to_users(days[number + after], first_seen=days[number]) if retained else None
            for after, retained in enumerate(cohort["retained"])
        ]
        for number, cohort in enumerate(answer["cohorts"])
    ]


def _label(cohort: Answer) -> str:
    start = datetime.fromisoformat(cohort["start"])
    return f"{start:%-d %b %Y} · {numbers.counted(cohort['users'], 'user')}"


def heat_map(cohorts: list[Answer], period: str) -> go.Figure:
    """A heat map with a row for each cohort of /stats/retention. An ellipsis follows the share of an incomplete period.

    Its first series takes the clicks: a bar without colour on each cell, row by row.
    """
    last = max(len(cohort["rates"]) for cohort in cohorts)
    places = [(cohort, place) for cohort in cohorts for place in range(len(cohort["rates"]))]
    figure = go.Figure()
    # Streamlit passes on clicks on bars, but not on the cells of a heat map.
    figure.add_bar(
        orientation="h",
        x=[1] * len(places),
        base=[place - 0.5 for _, place in places],
        y=[_label(cohort) for cohort, _ in places],
        customdata=[[place, _text(cohort, place), _hint(cohort, place)] for cohort, place in places],
        marker={"color": "rgba(0, 0, 0, 0)"},
        showlegend=False,
        hovertemplate="%{y}<br>after %{customdata[0]}: <b>%{customdata[1]}</b>, %{customdata[2]}<extra></extra>",
    )
    figure.add_trace(
        go.Heatmap(
            z=_cells(cohorts, lambda cohort, place: cohort["rates"][place]),
            x=list(range(last)),
            y=[_label(cohort) for cohort in cohorts],
            text=_cells(cohorts, _text, ""),
            texttemplate="%{text}",
            textfont={"size": 13},
            hoverinfo="skip",
            zmin=0,
            zmax=1,
            xgap=2,
            ygap=2,
            showscale=False,  # each cell says its share
        )
    )
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    figure.update_xaxes(dtick=1, side="top", showgrid=False, zeroline=False, range=[-0.5, last - 0.5])
    # Beside the axis' numbers and not as its title: that isn't visible on a narrow page where the chart scrolls.
    figure.add_annotation(
        text=f"{period.capitalize()}s after the first", font={"color": charts.text_colour()}, showarrow=False,
        xref="paper", x=0, xanchor="right", xshift=-8, yref="paper", y=1, yanchor="bottom", yshift=6,
    )  # fmt: skip
    return figure


def _cells(cohorts: list[Answer], cell: Callable[[Answer, int], Any], nothing: Any = None) -> list[list[Any]]:
    """A row of cells for each cohort, padded to the longest: later cohorts have fewer periods."""
    width = max(len(cohort["rates"]) for cohort in cohorts)
    return [
        [cell(cohort, place) if place < len(cohort["rates"]) else nothing for place in range(width)]
        for cohort in cohorts
    ]


def _text(cohort: Answer, place: int) -> str:
    rate = cohort["rates"][place]
    if rate is None:
        return ""
    return numbers.share(rate) if _complete(cohort)[place] else f"<i>{numbers.share(rate)} …</i>"


def _hint(cohort: Answer, place: int) -> str:
    kept = f"{numbers.count(cohort['retained'][place])} of {numbers.count(cohort['users'])} users"
    return kept if _complete(cohort)[place] else f"{kept}, unfinished"


def _complete(cohort: Answer) -> list[bool]:
    # During a rollout the query service may be of an older release, which doesn't send it.
    complete: list[bool] = cohort.get("complete", [True] * len(cohort["rates"]))
    return complete


def _table(cohorts: list[Answer], urls: list[list[str | None]], period: str) -> None:
    last = max(len(cohort["retained"]) for cohort in cohorts)
    columns = ["Cohort", "Users", *(f"{period.capitalize()} {number}" for number in range(last))]
    rows = [
        (
            f"{datetime.fromisoformat(cohort['start']):%-d %b %Y}",
            cohort["users"],
            *(Linked(numbers.count(kept), url) for kept, url in zip(cohort["retained"], its, strict=True)),
            *[""] * (last - len(its)),
        )
        for cohort, its in zip(cohorts, urls, strict=True)
    ]
    rankings.show(columns, rows, "Users of each cohort")
