"""Short tables of names and their numbers. Unlike tables of events they are HTML: on a narrow page a long name is cut, so that the
numbers stay visible, and a tooltip shows the whole name."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import zip_longest
from typing import Any

import streamlit as st

from event_tracker.dashboard.charts import numbers
from event_tracker.dashboard.charts.links import Linked

Value = str | int | Linked
Row = Sequence[Value | Sequence[Linked]]
"""A name, then numbers or short texts, which may be links. A name may have several parts, each with its own link."""

ARROW = " → "
"""Stands between the parts of a name."""

FIRST = 5
"""The number of rows of a long table that are visible at first."""


def show(columns: Sequence[str], rows: Iterable[Row], alt: str, bars: Sequence[float] = ()) -> None:
    """Show rows.

    Args:
        alt: the table's accessible name.
        bars: the lengths of bars behind the rows' names, from 0 to 1. Without them there are none.
    """
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(_row(row, bar) for row, bar in zip_longest(rows, bars))
    # An element that scrolls must be focusable, for readers who use the keyboard.
    st.html(
        f'<div class="ranking-frame" role="region" aria-label="{escape(alt)}" tabindex="0">'
        f'<table class="ranking" aria-label="{escape(alt)}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )


def show_top(columns: Sequence[str], rows: Sequence[Row], alt: str) -> None:
    """The same, with only the first FIRST rows visible. The others are in a table below that can be opened."""
    show(columns, rows[:FIRST], alt)
    if rows[FIRST:]:
        with st.expander(f"{numbers.count(len(rows) - FIRST)} more"):
            show(columns, rows[FIRST:], f"{alt}, the rest")


def _row(row: Row, bar: float | None) -> str:
    name, *values = row
    if isinstance(name, str | int):
        name = Linked(str(name))
    parts = [name] if isinstance(name, Linked) else name
    title = escape(ARROW.join(part.text for part in parts))
    shown = ARROW.join(map(_part, parts))
    cells = "".join(f"<td>{_value(value)}</td>" for value in values)
    length = "" if bar is None else f' class="bar" style="background-size: {bar:.1%} 100%"'
    return f'<tr><th scope="row" title="{title}"{length}>{shown}</th>{cells}</tr>'


def _value(value: Any) -> str:
    if isinstance(value, Linked):
        return _part(value)
    return numbers.count(value) if isinstance(value, int) else escape(str(value))


def _part(part: Linked) -> str:
    text = escape(part.text)
    return f'<a href="{escape(part.url)}" target="_self">{text}</a>' if part.url else text
