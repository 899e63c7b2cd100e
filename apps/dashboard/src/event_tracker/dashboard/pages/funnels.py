"""The page Funnels: how many users take the steps in order, and where they stop."""

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from event_tracker.dashboard.charts import charts, clicks, links, numbers, rankings, style, tiles
from event_tracker.dashboard.charts.links import Linked
from event_tracker.dashboard.client.api import Answer, ask_with_body
from event_tracker.dashboard.filters import conditions, grammar
from event_tracker.dashboard.filters.filters import Filters, known_types
from event_tracker.dashboard.markdown import as_text
from event_tracker.dashboard.notices import show_nothing_found, show_refusal

MAX_STEPS = 10
WINDOWS = {"30 minutes": 1800, "1 hour": 3600, "1 day": 86400, "7 days": 604800, "30 days": 2592000, "90 days": 7776000}


LIGHT_GREY = "rgba(134, 139, 148, 0.45)"
"""The colour of users who dropped off. With an opacity of its own the bar would differ from its colour in the legend."""

Step = tuple[str, list[str]]
"""An event type, and conditions on its events."""


def show(chosen: Filters) -> None:
    """Draw the page."""
    types = known_types(chosen.sources)
    st.caption("How many users did these steps in this order, the last one within the window after the first.")
    with st.container(key=style.NARROW):
        left, right = st.columns([2, 3], gap="medium")
    with left:
        steps = _choose_steps(types)
        window = st.selectbox(
            "Window", list(WINDOWS), index=3, key="window", bind="query-params",
            help="The longest time from the first step to the last.",
        )  # fmt: skip
    with right, show_refusal():
        if len(steps) < 2:
            _suggest(types)
            return
        asked = [{"event_type": name, "properties": conditions.by_name(wanted)} for name, wanted in steps]
        body = {**chosen.period.parameters, "window": WINDOWS[window], "steps": asked}
        if chosen.filters:
            body["filter"] = grammar.as_document(chosen.filters)
        answer = ask_with_body("/stats/funnel", body, **chosen.among)
        if answer["steps"][0]["users"] == 0:
            show_nothing_found("users who completed the first step", "Choose a longer range, or another first step.")
            return
        _answer(answer)
        _table(answer["steps"])


def _choose_steps(types: list[str]) -> list[Step]:
    """Draw an input for each step and an empty one below, and return the steps. A step that was cleared is left out."""
    chosen = [number for number in range(1, MAX_STEPS + 1) if _field(f"step{number}")]
    last = max(chosen, default=0)
    steps: list[Step] = []
    for number in range(1, min(last + 1, MAX_STEPS) + 1):
        event_type = st.selectbox(
            f"Step {number}", types, index=None, key=f"step{number}", bind="query-params", accept_new_options=True,
            placeholder="Choose an event type",
        )  # fmt: skip
        if event_type:
            steps.append((event_type, _conditions_and_place(number, chosen)))
        elif number < last:
            st.caption("Left out, since it has no event type.")
    return steps


def _conditions_and_place(number: int, chosen: list[int]) -> list[str]:
    """Draw a step's conditions, and buttons that move or remove it. Return the conditions."""
    with st.container(horizontal=True, gap="small"):
        given = _field(f"where{number}") or []
        with st.popover(f"Where {', '.join(map(as_text, given))}" if given else "Only where …"):
            wanted = conditions.choose(f"Only where (step {number})", f"where{number}")
        place = chosen.index(number) if number in chosen else 0
        for label, icon, change, possible in (
            ("Move up", "arrow_upward", _swapped(place, place - 1), place > 0),
            ("Move down", "arrow_downward", _swapped(place, place + 1), place < len(chosen) - 1),
            ("Remove", "close", _without(place), True),
        ):
            st.button(
                f":material/{icon}:", key=f"{label} {number}", help=f"{label} step {number}", type="tertiary",
                on_click=_change, args=[change], disabled=not possible,
            )  # fmt: skip
    return wanted


Change = Callable[[list[Step]], list[Step]]


def _swapped(one: int, other: int) -> Change:
    def change(steps: list[Step]) -> list[Step]:
        steps[one], steps[other] = steps[other], steps[one]
        return steps

    return change


def _without(place: int) -> Change:
    return lambda steps: steps[:place] + steps[place + 1 :]


def _change(change: Change) -> None:
    """Apply a change to the steps in the inputs."""
    numbered = [(_field(f"step{number}"), _field(f"where{number}")) for number in range(1, MAX_STEPS + 1)]
    _fill(change([(event_type, list(wanted or [])) for event_type, wanted in numbered if event_type]))


def _fill(steps: list[Step]) -> None:
    for number in range(1, MAX_STEPS + 1):
        event_type, wanted = steps[number - 1] if number <= len(steps) else (None, [])
        for key, value in ((f"step{number}", event_type), (f"where{number}", wanted)):
            is_drawn = key in st.session_state
            if is_drawn or value:
                st.session_state[key] = value
            if value and not is_drawn:  # a new input also reads the URL
                st.query_params[key] = value


def _field(key: str) -> Any:
    """The value of an input; if it isn't drawn yet, its value in the URL."""
    if key in st.session_state:
        return st.session_state[key]
    return st.query_params.get_all(key) if key.startswith("where") else st.query_params.get(key)


def _suggest(types: list[str]) -> None:
    st.info("Choose at least two steps.", icon=":material/conversion_path:")
    suggestion = types[:3]
    if len(suggestion) > 1:
        steps: list[Step] = [(event_type, []) for event_type in suggestion]
        st.button(f"Start with {' → '.join(map(as_text, suggestion))}", on_click=_fill, args=[steps])


def _answer(answer: Answer) -> None:
    steps = answer["steps"]
    last = steps[-1]
    tiles.show(
        {
            "Completed the first step": numbers.count(steps[0]["users"]),
            "Completed all steps": numbers.count(last["users"]),
            "Conversion": numbers.share(last["conversion"]),
        },
        "three",
    )
    names = _names(steps)
    charts.draw(
        _drop_off(names, steps),
        alt="Users who completed each step, and who dropped off before it",
        height=90 + 56 * len(steps),
        click=clicks.open_urls(list(map(_url, steps))),
    )


def _url(step: Answer) -> str:
    """The URL of the events that a step counts, whoever sent them."""
    wanted = [grammar.equals(grammar.property_field(name), value) for name, value in step["properties"].items()]
    return links.to_events(grammar.equals("event_type", step["event_type"]), *wanted)


def _table(steps: list[Answer]) -> None:
    rows = [
        (
            [Linked(name, _url(step))],
            step["users"],
            numbers.share(step["conversion"]),
            numbers.share(step["step_conversion"]),
            step["dropped"],
            numbers.duration(step["median_seconds"]),
        )
        for name, step in zip(_names(steps), steps, strict=True)
    ]
    columns = ["Step", "Users", "Of first", "Of previous", "Dropped off", "Median time"]
    rankings.show(columns, rows, "The funnel's steps")
    st.caption(
        "Dropped off: completed the previous step but not this one. Median time: since the previous step. "
        "Click a bar or a step to list all events in the range that match the step."
    )


def _names(steps: list[Answer]) -> list[str]:
    return [f"{number}. {_name(step)}" for number, step in enumerate(steps, 1)]


def _name(step: Answer) -> str:
    where = ", ".join(f"{name}={value}" for name, value in step["properties"].items())
    return f"{step['event_type']} ({where})" if where else str(step["event_type"])


def _drop_off(names: list[str], steps: list[Answer]) -> go.Figure:
    figure = charts.bars(names, [step["users"] for step in steps], "Users")
    figure.data[0].name = "completed"
    figure.add_bar(
        x=[step["dropped"] for step in steps],
        y=names,
        orientation="h",
        name="dropped off",
        marker={"color": LIGHT_GREY},
        hovertemplate="%{x:,} dropped off<extra></extra>",
    )
    figure.update_layout(barmode="stack", showlegend=True)
    return figure
