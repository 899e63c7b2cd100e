"""Charts of the answers. Their colours are the theme's (.streamlit/config.toml): told apart by the colour-blind, in light and dark."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import numbers
from dashboard.api import Answer

GREY = "#868b94"
"""For what isn't a key of its own: the rest, the missing, the end."""

TEXT_COLOURS = {"light": "#4a5463", "dark": "#c9d1db"}

CONFIG = {"displayModeBar": False}

MARKED_POINTS = 62
"""A line of more points is drawn without a mark at each."""


def draw(figure: go.Figure, alt: str, height: int = 360) -> None:
    """Show a figure; `alt` says in words what it is."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 16, "b": 8},
        separators=".,",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "title": None, "traceorder": "normal"},
        dragmode=False,
    )
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(tickfont={"color": text_colour()}, title_font={"color": text_colour()})
    st.plotly_chart(figure, config=CONFIG, alt=alt)


def text_colour() -> str:
    """What is readable on the visitor's background; Streamlit's own grey has a contrast of less than 4.5 on white."""
    return TEXT_COLOURS.get(st.context.theme.type or "", TEXT_COLOURS["light"])


def name_of(series: Answer) -> str:
    """What a series of /stats/timeseries is called in a legend."""
    names = {"value": series["key"], "missing": "(has none)", "other": "(other)"}
    return str(names.get(series["kind"], "all"))


def local(time: str) -> str:
    """The clock's time in an RFC 3339 time with an offset: the axes know no zones."""
    return time[:19]


def over_time(answer: Answer, unit: str) -> go.Figure:
    """Lines of /stats/timeseries, one a series; `unit` is what is counted."""
    points = [local(point) for point in answer["points"]]
    figure = go.Figure()
    for series in answer["series"]:
        figure.add_scatter(
            x=points,
            y=series["values"],
            customdata=answer["points"],
            name=name_of(series),
            mode="lines+markers" if len(points) <= MARKED_POINTS else "lines",
            line={"color": GREY, "dash": "dot"} if series["kind"] in ("other", "missing") else {},
            hovertemplate="%{customdata}: <b>%{y:,}</b>",
        )
    return _time_axes(figure, answer, unit)


def stacked_users(answer: Answer) -> go.Figure:
    """Bars of /stats/users: new on returning users, which together are the active ones."""
    times = [point["time"] for point in answer["points"]]
    figure = go.Figure()
    for name in ("returning", "new"):
        figure.add_bar(
            x=[local(time) for time in times],
            y=[point[name] for point in answer["points"]],
            customdata=times,
            name=name,
            hovertemplate="%{customdata}: <b>%{y:,}</b>",
        )
    figure.update_layout(barmode="stack")
    return _time_axes(figure, answer, "Users")


def _time_axes(figure: go.Figure, answer: Answer, unit: str) -> go.Figure:
    figure.update_layout(hovermode="x unified" if len(figure.data) > 1 else "closest")
    figure.update_xaxes(title=f"{answer['interval'].capitalize()} ({answer['tz']})")
    figure.update_yaxes(title=unit, rangemode="tozero", tickformat=",~d")
    return figure


def bars(names: list[str], values: list[int], unit: str) -> go.Figure:
    """Horizontal bars, the first on top."""
    figure = go.Figure(
        go.Bar(x=values, y=names, orientation="h", text=values, texttemplate="%{text:,}", hoverinfo="skip")
    )
    figure.update_traces(textposition="auto", cliponaxis=False, outsidetextfont={"color": text_colour()})
    figure.update_yaxes(autorange="reversed", type="category", title=None)
    figure.update_xaxes(title=unit, tickformat=",~d", rangemode="tozero")
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
    columns = {name_of(series): series["values"] for series in answer["series"]}
    return pd.DataFrame({answer["interval"]: answer["points"], **columns})
