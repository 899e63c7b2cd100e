"""Funnels: how many users take the steps in order, and where they stop."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard import charts, conditions, numbers, tiles
from dashboard.api import Answer, ask_with_body
from dashboard.filters import Filters, known_types
from dashboard.notices import nothing_here

MOST_STEPS = 10
WINDOWS = {"30 minutes": 1800, "1 hour": 3600, "1 day": 86400, "7 days": 604800, "30 days": 2592000, "90 days": 7776000}


def show(chosen: Filters) -> None:
    """Draw the page."""
    types = known_types(chosen.sources)
    st.caption("How many users did these in this order, the last within the window after the first.")
    steps = _choose_steps(types)
    window = st.selectbox(
        "Window", list(WINDOWS), index=3, key="window", bind="query-params",
        help="How long after the first step the last one still counts.",
    )  # fmt: skip
    if chosen.event_types:
        st.caption("The sidebar's event types don't matter here: each step names its own.")
    if len(steps) < 2:
        _suggest(types)
        return
    body = {**chosen.period.parameters, "window": WINDOWS[window], "steps": steps}
    answer = ask_with_body("/stats/funnel", body, **chosen.among)
    if answer["steps"][0]["users"] == 0:
        nothing_here("users who took the first step", "Choose a longer range, or another first step.")
        return
    _answer(answer)


def _choose_steps(types: list[str]) -> list[dict[str, Any]]:
    """A row for each step chosen, and an empty one below."""
    steps: list[dict[str, Any]] = []
    for number in range(1, MOST_STEPS + 1):
        left, right = st.columns(2)
        event_type = left.selectbox(
            f"Step {number}", types, index=None, key=f"step{number}", bind="query-params", accept_new_options=True,
            placeholder="Choose an event type",
        )  # fmt: skip
        if not event_type:
            break
        wanted = conditions.choose(f"Only where (step {number})", f"where{number}", right)
        steps.append({"event_type": event_type, "properties": conditions.by_name(wanted)})
    return steps


def _suggest(types: list[str]) -> None:
    st.info("Choose at least two steps.", icon=":material/conversion_path:")
    suggestion = types[:3]
    if len(suggestion) > 1:
        st.button(f"Start with {' → '.join(suggestion)}", on_click=_take, args=[suggestion])


def _take(suggestion: list[str]) -> None:
    for number, event_type in enumerate(suggestion, 1):
        st.session_state[f"step{number}"] = event_type
        if number > 1:  # there is no such choice yet: it will look into the URL for its value
            st.query_params[f"step{number}"] = event_type


def _answer(answer: Answer) -> None:
    steps = answer["steps"]
    last = steps[-1]
    tiles.show(
        {
            "Took the first step": numbers.count(steps[0]["users"]),
            "Took them all": numbers.count(last["users"]),
            "Conversion": numbers.share(last["conversion"]),
        }
    )
    names = [f"{number}. {_name(step)}" for number, step in enumerate(steps, 1)]
    charts.draw(
        _drop_off(names, steps),
        alt="Users who reached each step, and who stopped before it",
        height=90 + 56 * len(steps),
    )
    rows = [
        {
            "Step": name,
            "Users": step["users"],
            "Of the first": numbers.share(step["conversion"]),
            "Of the step before": numbers.share(step["step_conversion"]),
            "Stopped before it": step["dropped"],
            "Median time since the step before": numbers.duration(step["median_seconds"]),
        }
        for name, step in zip(names, steps, strict=True)
    ]
    charts.table(rows, "The funnel's steps")


def _name(step: Answer) -> str:
    where = ", ".join(f"{name}={value}" for name, value in step["properties"].items())
    return f"{step['event_type']} ({where})" if where else str(step["event_type"])


def _drop_off(names: list[str], steps: list[Answer]) -> go.Figure:
    figure = charts.bars(names, [step["users"] for step in steps], "Users")
    figure.data[0].name = "reached it"
    figure.add_bar(
        x=[step["dropped"] for step in steps],
        y=names,
        orientation="h",
        name="stopped before it",
        marker={"color": charts.GREY, "opacity": 0.45},
        hovertemplate="%{x:,} stopped before it<extra></extra>",
    )
    figure.update_layout(barmode="stack", showlegend=True)
    return figure
