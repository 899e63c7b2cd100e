"""Charts of answers. Their colours are those of the theme (.streamlit/config.toml), which colour-blind people can distinguish."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import plotly.io
import streamlit as st

from event_tracker.dashboard.charts import clicks, links, numbers, points, style
from event_tracker.dashboard.client.api import Answer
from event_tracker.dashboard.filters.period import Period

GREY = "#868b94"
"""The colour for what isn't a value: others, missing ones, the end of a session."""

TEXT_COLOURS = {"light": "#4a5463", "dark": "#c9d1db"}

INSIDE_COLOURS = {"light": "#ffffff", "dark": "#0d131b"}
"""The colours of numbers inside bars of the first series. Plotly's own choice has a contrast of 4.3 in the dark theme."""

SHADOWS = {"light": "auto", "dark": "0 0 2px #11151b, 0 0 2px #11151b"}
"""The shadows of text that isn't on the background alone. Plotly's own is grey in the dark theme."""

CONFIG = {"displayModeBar": False}

MARKED_POINTS = 62
"""A line with more points is drawn without markers."""

TICKS = 8
"""The number of labels on a time axis whose labels aren't made by Plotly."""

WHOLE_TICKS = 5
"""On an axis of counts up to this, each whole number has a label."""


LABEL = 32
"""The most characters of a name in a chart."""


def draw(figure: go.Figure, alt: str, height: int = 360, click: clicks.Click | None = None) -> None:
    """Show a figure.

    Args:
        alt: its description, unique on the page.
        height: in pixels.
        click: is called with the point that the reader clicks.
    """
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
    # In a chart with selectable points Streamlit also enables dragging, and fades the points that aren't selected.
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    for trace in figure.select_traces(lambda trace: "unselected" in trace):
        trace.update(unselected={"marker": {"opacity": 1}})

    def chosen() -> None:
        for point in st.session_state[alt]["selection"]["points"][:1]:
            click(point)

    st.plotly_chart(figure, config=CONFIG, alt=alt, key=alt, on_select=chosen, selection_mode="points")
    clicks.follow()


def text_colour() -> str:
    """A text colour that is readable on the reader's background. Streamlit's grey has a contrast of less than 4.5 on white."""
    return TEXT_COLOURS[style.theme()]


def text_on_shapes() -> Answer:
    """A font for text that is partly on shapes."""
    return {"color": text_colour(), "shadow": SHADOWS[style.theme()]}


def draw_over_time(answer: Answer, unit: str, alt: str, period: Period, height: int = 360) -> None:
    """Show the lines of /stats/timeseries with an explanation. A click on a point narrows the range."""
    draw(over_time(answer, unit), alt, height, click=clicks.narrow(answer, period))
    explain(answer, "Dashed", period)


def explain(answer: Answer, unfinished: str, period: Period) -> None:
    """Explain below a chart what a click does, and how incomplete intervals are drawn (`unfinished`), if there are any."""
    sentences = [clicks.describe_narrowing(answer, period)]
    if not all(points.whole(answer)[: points.begun(answer, [])]):
        interval = answer["interval"]
        sentences.append(f"{unfinished}: an incomplete {interval}, which isn't over yet or is cut off by the range.")
    if any(sentences):
        st.caption(" ".join(filter(None, sentences)))


def series_names(answer: Answer) -> list[str]:
    """The names of the series of /stats/timeseries. A value that equals one of our words has quotation marks."""
    words = {"missing": numbers.MISSING, "other": numbers.OTHER, "all": "all"}
    return numbers.make_distinct(
        (words.get(series["kind"], series["key"]) for series in answer["series"]),
        [series["kind"] != "value" for series in answer["series"]],
        answer["interval"],
    )


def over_time(answer: Answer, unit: str) -> go.Figure:
    """A line for each series of /stats/timeseries. `unit` is what is counted.

    The lines end at the present. A point of an incomplete interval has a hollow marker, and the line to it is dashed.
    """
    shown = points.begun(answer, [series["values"] for series in answer["series"]])
    times, is_whole = points.moments(answer)[:shown], points.whole(answer)[:shown]
    figure = go.Figure()
    for number, (series, name) in enumerate(zip(answer["series"], series_names(answer), strict=True)):
        grey = series["kind"] in ("other", "missing")
        line = {"color": GREY if grey else _colour(number), "dash": "dot" if grey else "solid"}
        figure.add_traces(_line(answer["interval"], times, series["values"][:shown], is_whole, name, line))
    most = max((value or 0 for series in answer["series"] for value in series["values"][:shown]), default=0)
    return _time_axes(figure, answer, times, unit, most)


def _line(
    interval: str, times: Sequence[datetime], values: Sequence[int], is_whole: Sequence[bool], name: str, line: Answer
) -> list[go.Scatter]:
    """A line through the complete points, interrupted at incomplete ones, and a dashed line to those."""
    where, shown = points.places(times, interval), links.as_label(numbers.shorten(name, LABEL))
    marked = 6 if len(times) <= MARKED_POINTS else 0
    rows: list[tuple[Any, ...]] = []
    for number, (time, place, value, finished) in enumerate(zip(times, where, values, is_whole, strict=True)):
        if number and not (finished and is_whole[number - 1]):
            rows.append((place, None, "", "circle", 0))
        symbol, size = ("circle", marked) if finished else ("circle-open", 8)
        rows.append((place, value, points.label(time, interval, finished), symbol, size))
    x, y, labels, symbols, sizes = zip(*rows, strict=True) if rows else [()] * 5
    drawn = go.Scatter(
        x=x, y=y, customdata=labels, name=shown, legendgroup=name, mode="lines+markers", line=line,
        marker={"symbol": symbols, "size": sizes}, hovertemplate="%{customdata}: <b>%{y:,}</b>",
    )  # fmt: skip
    if all(is_whole):
        return [drawn]
    dashed = [
        value if not (is_whole[number] and all(is_whole[max(number - 1, 0) : number + 2])) else None
        for number, value in enumerate(values)
    ]
    leading = go.Scatter(
        x=where, y=dashed, name=shown, legendgroup=name, showlegend=False, mode="lines", hoverinfo="skip",
        line={**line, "dash": "dash"},
    )  # fmt: skip
    return [drawn, leading]


def _colour(number: int) -> str:
    """The theme's colour of a series. By itself Plotly would give a dashed line the next colour."""
    colours = plotly.io.templates["streamlit"].layout.colorway
    return str(colours[number % len(colours)])


def stacked_users(answer: Answer) -> go.Figure:
    """Stacked bars of /stats/users: new users on returning ones, together the active users. Incomplete intervals are hatched."""
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
        # By itself Plotly would show a range of two milliseconds around the point.
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
    """Settings of an axis of counts up to `most`. Plotly would label halves if there is space for more than `ticks` labels."""
    few = {"dtick": 1, "tick0": 0} if most <= ticks else {}
    return {"tickformat": ",~f", **few, **({"range": [0, 1]} if most == 0 else {})}


def bars(names: list[str], values: list[int], unit: str) -> go.Figure:
    """Horizontal bars, the first on top."""
    figure = go.Figure(
        go.Bar(x=values, y=names, orientation="h", text=values, texttemplate="%{text:,}", hoverinfo="none")
    )
    figure.update_traces(
        textposition="auto", textangle=0, cliponaxis=False, outsidetextfont={"color": text_colour()},
        insidetextfont={"color": INSIDE_COLOURS[style.theme()]},
    )  # fmt: skip
    figure.update_yaxes(
        autorange="reversed",
        type="category",
        title=None,
        tickvals=names,
        ticktext=[links.as_label(numbers.shorten(name, LABEL)) for name in names],
    )
    figure.update_xaxes(title=unit, rangemode="tozero", **whole_numbers(max(values, default=0), 2 * WHOLE_TICKS))
    return figure


def as_table(rows: Any, label: str) -> None:
    """Show the same numbers as a table, for readers who can't see the chart or want to copy them."""
    with st.expander(label):
        table(rows, label)


def table(rows: Any, alt: str, **columns: Any) -> None:
    """Show a table without row numbers. Whole numbers have the separators of the reader's language."""
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
    config = {
        name: st.column_config.NumberColumn(format="localized") for name in frame.select_dtypes("integer").columns
    }
    st.dataframe(frame, hide_index=True, column_config={**config, **columns}, alt=alt, placeholder=numbers.NONE)


def series_table(answer: Answer) -> pd.DataFrame:
    """/stats/timeseries as a table: a row for each point, a column for each series."""
    columns = {name: series["values"] for name, series in zip(series_names(answer), answer["series"], strict=True)}
    return pd.DataFrame({answer["interval"]: answer["points"], **columns})
