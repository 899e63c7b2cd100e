"""Short tables of names and their numbers. Unlike tables of events they are HTML: on a narrow page a long name is cut, so that the
numbers stay visible, and a tooltip shows the whole name."""

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import urlencode

import streamlit as st

from event_tracker.dashboard.charts import numbers

Row = Sequence[str | int]

FIRST = 5
"""The number of rows of a long table that are visible at first."""


def show(columns: Sequence[str], rows: Iterable[Row], alt: str, links: Sequence[str] = ()) -> None:
    """Show rows of a name and numbers or short texts.

    Args:
        alt: the table's accessible name.
        links: one URL for each row's name, or none.
    """
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(_row(row, links[place] if links else None) for place, row in enumerate(rows))
    # An element that scrolls must be focusable, for visitors who use the keyboard.
    st.html(
        f'<div class="ranking-frame" role="region" aria-label="{escape(alt)}" tabindex="0">'
        f'<table class="ranking" aria-label="{escape(alt)}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )


def show_top(columns: Sequence[str], rows: Sequence[Row], alt: str, links: Sequence[str]) -> None:
    """The same, with only the first FIRST rows visible. The others are in a table below that can be opened."""
    show(columns, rows[:FIRST], alt, links[:FIRST])
    if rows[FIRST:]:
        with st.expander(f"{numbers.count(len(rows) - FIRST)} more"):
            show(columns, rows[FIRST:], f"{alt}, the rest", links[FIRST:])


def _row(row: Row, link: str | None) -> str:
    name, *values = (numbers.count(value) if isinstance(value, int) else value for value in row)
    text = escape(name)
    shown = f'<a href="{escape(link)}" target="_self">{text}</a>' if link else text
    cells = "".join(f"<td>{escape(value)}</td>" for value in values)
    return f'<tr><th scope="row" title="{text}">{shown}</th>{cells}</tr>'


def link(page: str, **parameters: str | list[str]) -> str:
    """The URL of a page with the current filters, and these parameters changed."""
    chosen: dict[str, str | list[str]] = {name: st.query_params.get_all(name) for name in st.query_params}
    return f"/{page}?{urlencode({**chosen, **parameters}, doseq=True)}"
