"""Charts of the answers. Their colours are the theme's (.streamlit/config.toml): told apart by the colour-blind, in light and dark."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import plotly.io
import streamlit as st

from event_tracker.dashboard.charts import clicks, numbers, points
from event_tracker.dashboard.client.api import Answer
from event_tracker.dashboard.filters.period import Period

GREY = "#868b94"
"""For what isn't a key of its own: the rest, the missing, the end."""

TEXT_COLOURS = {"light": "#4a5463", "dark": "#c9d1db"}

INSIDE_COLOURS = {"light": "#ffffff", "dark": "#0d131b"}
"""Of numbers inside bars of the first series; Plotly's own choice has a contrast of 4.3 in the dark theme."""

CONFIG = {"displayModeBar": False}

MARKED_POINTS = 62
"""A line of more points is drawn without a mark at each."""

TICKS = 8
"""So many times are written below an axis whose labels aren't Plotly's."""

WHOLE_TICKS = 5
"""On an axis of counts up to this, each whole number has its label."""


def draw(figure: go.Figure, alt: str, height: int = 360, click: clicks.Click | None = None) -> None:
    """Show a figure; `alt` says in words what it is, and is its own on the page. `click` is told the point that is clicked on."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 16, "b": 8},
        separators=".,",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "title": None, "traceorder": "normal"},
        dragmode=False,
    )
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(tickfont={"color": text_colour()}, title_font={"color": text_colour()})
    if click:
        _draw_clickable(figure, alt, click)
    else:
        st.plotly_chart(figure, config=CONFIG, alt=alt)


def _draw_clickable(figure: go.Figure, alt: str, click: clicks.Click) -> None:
    # Where points can be chosen Streamlit lets charts be dragged, and pales the points beside the chosen one.
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    figure.update_traces(unselected={"marker": {"opacity": 1}})

    def chosen() -> None:
        for point in st.session_state[alt]["selection"]["points"][:1]:
            click(point)

    st.plotly_chart(figure, config=CONFIG, alt=alt, key=alt, on_select=chosen, selection_mode="points")


def text_colour() -> str:
    """What is readable on the visitor's background; Streamlit's own grey has a contrast of less than 4.5 on white."""
    return TEXT_COLOURS[_theme()]


def _theme() -> str:
    return "dark" if st.context.theme.type == "dark" else "light"


def draw_over_time(answer: Answer, unit: str, alt: str, period: Period, height: int = 360) -> None:
    """Show the lines of /stats/timeseries, say what is dashed, and narrow the range where one clicks."""
    draw(over_time(answer, unit), alt, height, click=clicks.narrow(answer, period))
    explain(answer, "Dashed", period)


def explain(answer: Answer, unfinished: str, period: Period) -> None:
    """Say what a click does; and what is dashed (or however it is drawn), where anything is."""
    sentences = [clicks.describe_narrowing(answer, period)]
    if not all(points.whole(answer)[: points.begun(answer, [])]):
        interval = answer["interval"]
        sentences.append(f"{unfinished}: a part of {_a(interval)}, which isn't over yet or which the range cuts.")
    if any(sentences):
        st.caption(" ".join(filter(None, sentences)))


def _a(interval: str) -> str:
    return f"{'an' if interval == 'hour' else 'a'} {interval}"


def series_names(answer: Answer) -> list[str]:
    """What the series of /stats/timeseries are called: a value called like something else has quotation marks."""
    words = {"missing": numbers.MISSING, "other": numbers.OTHER, "all": "all"}
    return numbers.make_distinct(
        (words.get(series["kind"], series["key"]) for series in answer["series"]),
        [series["kind"] != "value" for series in answer["series"]],
        answer["interval"],
    )


def over_time(answer: Answer, unit: str) -> go.Figure:
    """Lines of /stats/timeseries, one a series; `unit` is what is counted.

    They end at the present; what leads to a point that isn't whole is dashed, and its mark is hollow.
    """
    shown = points.begun(answer, [series["values"] for series in answer["series"]])
    times, is_whole = points.moments(answer)[:shown], points.whole(answer)[:shown]
    figure = go.Figure()
    for number, (series, name) in enumerate(zip(answer["series"], series_names(answer), strict=True)):
        grey = series["kind"] in ("other", "missing")
        line = {"color": GREY if grey else _colour(number), "dash": "dot" if grey else "solid"}
        figure.add_traces(_line(answer["interval"], times, series["values"][:shown], is_whole, name, line))
    most = max((value for series in answer["series"] for value in series["values"][:shown]), default=0)
    return _time_axes(figure, answer, times, unit, most)


def _line(
    interval: str, times: Sequence[datetime], values: Sequence[int], is_whole: Sequence[bool], name: str, line: Answer
) -> list[go.Scatter]:
    """What is whole as one line, broken beside what isn't; and dashes from there to that."""
    where = points.places(times, interval)
    marked = 6 if len(times) <= MARKED_POINTS else 0
    rows: list[tuple[Any, ...]] = []
    for number, (time, place, value, finished) in enumerate(zip(times, where, values, is_whole, strict=True)):
        if number and not (finished and is_whole[number - 1]):
            rows.append((place, None, "", "circle", 0))
        symbol, size = ("circle", marked) if finished else ("circle-open", 8)
        rows.append((place, value, points.label(time, interval, finished), symbol, size))
    x, y, labels, symbols, sizes = zip(*rows, strict=True) if rows else [()] * 5
    drawn = go.Scatter(
        x=x, y=y, customdata=labels, name=name, legendgroup=name, mode="lines+markers", line=line,
        marker={"symbol": symbols, "size": sizes}, hovertemplate="%{customdata}: <b>%{y:,}</b>",
    )  # fmt: skip
    if all(is_whole):
        return [drawn]
    dashed = [
        value if not (is_whole[number] and all(is_whole[max(number - 1, 0) : number + 2])) else None
        for number, value in enumerate(values)
    ]
    leading = go.Scatter(
        x=where, y=dashed, name=name, legendgroup=name, showlegend=False, mode="lines", hoverinfo="skip",
        line={**line, "dash": "dash"},
    )  # fmt: skip
    return [drawn, leading]


def _colour(number: int) -> str:
    """The theme's colour of a series. Plotly would give dashes the next one."""
    colours = plotly.io.templates["streamlit"].layout.colorway
    return str(colours[number % len(colours)])


def stacked_users(answer: Answer) -> go.Figure:
    """Bars of /stats/users: new on returning users, which together are the active ones. What isn't whole is hatched."""
    shown = points.begun(answer, [[point["active"] for point in answer["points"]]])
    times, is_whole = points.moments(answer)[:shown], points.whole(answer)[:shown]
    figure = go.Figure()
    for name in ("returning", "new"):
        figure.add_bar(
            x=points.places(times, answer["interval"]),
            y=[point[name] for point in answer["points"][:shown]],
            customdata=[points.label(*one) for one in zip(times, [answer["interval"]] * shown, is_whole, strict=True)],
            name=name,
            marker={"pattern": {"shape": ["" if one else "/" for one in is_whole]}},
            hovertemplate="%{customdata}: <b>%{y:,}</b>",
        )
    figure.update_layout(barmode="stack")
    most = max((point["active"] for point in answer["points"]), default=0)
    return _time_axes(figure, answer, times, "Users", most)


def _time_axes(figure: go.Figure, answer: Answer, times: Sequence[datetime], unit: str, most: int) -> go.Figure:
    interval = answer["interval"]
    several = sum(trace.showlegend is not False for trace in figure.data) > 1
    figure.update_layout(hovermode="x unified" if several else "closest", showlegend=several)
    figure.update_xaxes(title=f"{interval.capitalize()} ({answer['tz']})", type="date")
    where = points.places(times, interval)
    if len(times) == 1:
        # By itself Plotly would show two milliseconds around it.
        length = points.LENGTHS.get(interval, points.LENGTHS["week"])
        around = [(times[0].replace(tzinfo=None) + side * length).isoformat() for side in (-1, 1)]
        figure.update_xaxes(range=around, tickvals=where, ticktext=[points.label(times[0], interval, True)])
    elif interval in points.BY_THE_CLOCK and points.changes_clock(times):
        every = -(-len(times) // TICKS)
        texts = [f"{time:%H:%M}<br>{time:%-d %b}" for time in times]
        figure.update_xaxes(tickvals=where[::every], ticktext=texts[::every])
    figure.update_yaxes(title=unit, rangemode="tozero", **whole_numbers(most, WHOLE_TICKS))
    return figure


def whole_numbers(most: int, ticks: int) -> Answer:
    """Settings of an axis of counts up to `most`: Plotly would label halves where there is room for more than `ticks`."""
    few = {"dtick": 1, "tick0": 0} if most <= ticks else {}
    return {"tickformat": ",~f", **few, **({"range": [0, 1]} if most == 0 else {})}


def bars(names: list[str], values: list[int], unit: str) -> go.Figure:
    """Horizontal bars, the first on top."""
    figure = go.Figure(
        go.Bar(x=values, y=names, orientation="h", text=values, texttemplate="%{text:,}", hoverinfo="none")
    )
    figure.update_traces(
        textposition="auto", textangle=0, cliponaxis=False, outsidetextfont={"color": text_colour()},
        insidetextfont={"color": INSIDE_COLOURS[_theme()]},
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", type="category", title=None)
    figure.update_xaxes(title=unit, rangemode="tozero", **whole_numbers(max(values, default=0), 2 * WHOLE_TICKS))
    return figure


def as_table(rows: Any, label: str = "The numbers as a table") -> None:
    """The same numbers for those who don't see the chart, or want to copy them."""
    with st.expander(label):
        table(rows, label)


def table(rows: Any, alt: str, **columns: Any) -> None:
    """A table without row numbers; whole numbers have the separators of the visitor's language."""
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
    config = {
        name: st.column_config.NumberColumn(format="localized") for name in frame.select_dtypes("integer").columns
    }
    st.dataframe(frame, hide_index=True, column_config={**config, **columns}, alt=alt, placeholder=numbers.NONE)


def series_table(answer: Answer) -> pd.DataFrame:
    """/stats/timeseries as rows of points with a column for each series."""
    columns = {name: series["values"] for name, series in zip(series_names(answer), answer["series"], strict=True)}
    return pd.DataFrame({answer["interval"]: answer["points"], **columns})
