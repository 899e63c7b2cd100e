"""The page Journeys: what users do next, or did before."""

import plotly.graph_objects as go
import streamlit as st

from event_tracker.dashboard.charts import charts, links, numbers, rankings, style
from event_tracker.dashboard.charts.links import Linked
from event_tracker.dashboard.client.api import Answer, ask
from event_tracker.dashboard.filters import properties
from event_tracker.dashboard.filters.filters import Filters, known_types
from event_tracker.dashboard.markdown import as_text
from event_tracker.dashboard.notices import show_nothing_found

LIMIT = 20
STEP_PIXELS, LABEL = 160, 22
"""The least width of a step, and the most characters of a name in the chart, so that names don't overlap."""

NODE = "#3c82c4"
LINK = "rgba(128, 140, 158, 0.45)"
EDGE = {"next": "(session ends)", "previous": "(session begins)"}


def show(chosen: Filters) -> None:
    """Draw the page."""
    types = known_types(chosen.sources)
    answer = ask("/stats/paths", limit=LIMIT, **_choose(chosen, types), **chosen.parameters)
    if answer["occurrences"] == 0:
        show_nothing_found("such events", "Choose a longer range, another start, or clear filters.")
        return
    what = f"times “{as_text(answer['start'])}”" if answer["start"] else "sessions"
    st.caption(
        f"{numbers.count(answer['occurrences'])} {what}. A journey stays within one session. Click a name to list its events."
    )
    figure, left_out = _sankey(answer)
    with style.scrolled(STEP_PIXELS * (len(answer["steps"]) + 1)):
        charts.draw(figure, alt=f"What comes {answer['direction']}, step by step", height=480)
    _left_out(left_out)
    _transitions(answer)
    _paths(answer)


def _choose(chosen: Filters, types: list[str]) -> Answer:
    first, second = st.columns(2)
    third, fourth = st.columns(2)
    by = first.selectbox(
        "Steps by", ["event_type", *properties.choices(chosen)], key="by", bind="query-params", accept_new_options=True
    )
    direction = second.segmented_control(
        "Direction", ["next", "previous"], default="next", required=True, key="direction", bind="query-params"
    )
    start = third.selectbox(
        "Start", types if by == "event_type" else [], index=None, key="start", bind="query-params", accept_new_options=True,
        placeholder="Any session", help="The step to start from. By default that is where sessions begin (next) or end (previous).",
    )  # fmt: skip
    depth = fourth.selectbox("Number of steps", [1, 2, 3, 4, 5], index=2, key="depth", bind="query-params")
    return {"by": properties.as_parameter(by), "direction": direction, "start": start, "depth": depth}


def _sankey(answer: Answer) -> tuple[go.Figure, dict[int, int]]:
    """Make the chart. Returns it, and the number of transitions of each step that aren't drawn.

    A transition isn't drawn if no drawn transition leads to its start: it would look like the start of a journey.
    """
    places: dict[tuple[int, str | None], int] = {}
    transitions, left_out = [], {}
    for step in answer["steps"]:
        number = step["step"]
        drawn = [one for one in step["transitions"] if number == 1 or (number - 1, one["source"]) in places]
        left_out[number] = step["other"] + sum(one["count"] for one in step["transitions"] if one not in drawn)
        for one in drawn:
            ends = [(number - 1, one["source"]), (number, one["target"])]
            transitions.append((*(places.setdefault(end, len(places)) for end in ends), one["count"]))
    return _figure(list(places), transitions, answer), left_out


def _figure(places: list[tuple[int, str | None]], transitions: list[tuple[int, int, int]], answer: Answer) -> go.Figure:
    direction = answer["direction"]
    nodes = [_node(key, answer) for _, key in places]
    # Time runs from left to right in both directions.
    later, earlier = ("target", "source") if direction == "next" else ("source", "target")
    return go.Figure(
        go.Sankey(
            arrangement="fixed",  # a node that can be dragged takes the clicks on its link
            valueformat=",",
            textfont=charts.text_on_shapes(),
            node={
                "label": [
                    links.as_linked_label(node._replace(text=numbers.shorten(node.text, LABEL))) for node in nodes
                ],
                "customdata": [links.as_label(node.text) for node in nodes],
                "color": [charts.GREY if name is None else NODE for _, name in places],
                "line": {"width": 0},
                "pad": 18,
                "thickness": 14,
                "align": "left" if direction == "next" else "right",
                "hovertemplate": "%{customdata}: <b>%{value:,}</b><extra></extra>",
            },
            link={
                earlier: [link[0] for link in transitions],
                later: [link[1] for link in transitions],
                "value": [link[2] for link in transitions],
                "color": LINK,
                "hovertemplate": "%{source.customdata} → %{target.customdata}: <b>%{value:,}</b><extra></extra>",
            },
        )
    )


def _node(key: str | None, answer: Answer) -> Linked:
    """A node of the chart. Each step has nodes of its own, so names may repeat, but they must differ from the name of the end."""
    end = EDGE[answer["direction"]]
    if key is None:
        return Linked(end)
    return Linked(numbers.make_distinct([key], [False], end)[0], links.to_events_by(answer["by"], key))


def _left_out(left_out: dict[int, int]) -> None:
    texts = [f"{numbers.count(count)} at step {number}" for number, count in left_out.items() if count]
    if texts:
        st.caption(f"Rarer transitions, not drawn: {', '.join(texts)}.")


def _transitions(answer: Answer) -> None:
    """Draw the chart's numbers as a table. What comes first in time is on the left, as in the chart."""
    forward = answer["direction"] == "next"
    rows = []
    for step in answer["steps"]:
        for one in step["transitions"]:
            ends = [_node(one["source"], answer), _node(one["target"], answer)]
            rows.append((ends if forward else ends[::-1], str(step["step"]), one["count"]))
    with st.expander("The transitions as a table"):
        rankings.show(["Transition", "Step", "Times"], rows, "Transitions, step by step")


def _paths(answer: Answer) -> None:
    st.header("Most frequent journeys", anchor=False)
    in_time = slice(None, None, 1 if answer["direction"] == "next" else -1)
    rows = [
        ([_node(key, answer) for key in path["keys"][in_time]], path["count"], numbers.share(path["share"]))
        for path in answer["paths"]
    ]
    rankings.show(["Journey", "Times", "Share"], rows, "Most frequent journeys")
    if answer["other_paths"]:
        st.caption(f"{numbers.counted(answer['other_paths'], 'other journey')}.")
