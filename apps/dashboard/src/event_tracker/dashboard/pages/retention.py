"""The page Retention: how many of the new users of a period return in later ones."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from event_tracker.dashboard.charts import charts, numbers, style
from event_tracker.dashboard.client.api import Answer, ask
from event_tracker.dashboard.filters.filters import Filters
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
        f"A cell is the share of the cohort that had an event then. Only events in the range count: {chosen.period}."
    )
    cohorts = [cohort for cohort in answer["cohorts"] if cohort["users"]]
    with style.scrolled(LABEL_PIXELS + CELL_PIXELS * max(len(cohort["rates"]) for cohort in cohorts)):
        charts.draw(heat_map(cohorts, str(period)), alt=f"Retention by {period}", height=140 + 34 * len(cohorts))
    if not all(all(_complete(cohort)) for cohort in cohorts):
        st.caption(f"… marks an incomplete {period}, which isn't over yet or is cut off by the range.")
    charts.as_table(_rows(answer["cohorts"], str(period)), "The users as a table")


def _label(cohort: Answer) -> str:
    start = datetime.fromisoformat(cohort["start"])
    return f"{start:%-d %b %Y} · {numbers.count(cohort['users'])} users"


def heat_map(cohorts: list[Answer], period: str) -> go.Figure:
    """A heat map with a row for each cohort of /stats/retention. An ellipsis follows the share of an incomplete period."""
    figure = go.Figure(
        go.Heatmap(
            z=_cells(cohorts, lambda cohort, place: cohort["rates"][place]),
            x=list(range(max(len(cohort["rates"]) for cohort in cohorts))),
            y=[_label(cohort) for cohort in cohorts],
            text=_cells(cohorts, _text, ""),
            customdata=_cells(cohorts, _hint, ""),
            texttemplate="%{text}",
            textfont={"size": 13},
            hovertemplate="%{y}<br>after %{x}: <b>%{text}</b>, %{customdata}<extra></extra>",
            hoverongaps=False,
            zmin=0,
            zmax=1,
            xgap=2,
            ygap=2,
            showscale=False,  # each cell says its share
        )
    )
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    figure.update_xaxes(dtick=1, side="top", showgrid=False)
    # Not as the axis' title: that is in the middle, and not visible on a narrow page where the chart scrolls.
    figure.add_annotation(
        text=f"{period.capitalize()}s after the first", font={"color": charts.text_colour()}, showarrow=False,
        xref="paper", x=0, xanchor="left", yref="paper", y=1, yanchor="bottom", yshift=24,
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


def _rows(cohorts: list[Answer], period: str) -> list[Answer]:
    return [
        {
            "Cohort": cohort["start"],
            "Users": cohort["users"],
            **{f"{period.capitalize()} {number}": kept for number, kept in enumerate(cohort["retained"])},
        }
        for cohort in cohorts
    ]
