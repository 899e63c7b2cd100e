"""Short tables of names and their numbers. In HTML, unlike tables of events: however narrow the page and long a name, the numbers
are in sight, the name is cut, and the pointer shows all of it."""

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import urlencode

import streamlit as st

from event_tracker.dashboard.charts import numbers

Row = Sequence[str | int]

FIRST = 5
"""So many rows of a long table are in sight at once."""


def show(columns: Sequence[str], rows: Iterable[Row], alt: str, links: Sequence[str] = ()) -> None:
    """Show rows: a name, then numbers or short texts. With `links`, one a row, names lead there. `alt` names the table."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(_row(row, links[place] if links else None) for place, row in enumerate(rows))
    # What scrolls must have the focus for who scrolls by keys.
    st.html(
        f'<div class="ranking-frame" role="region" aria-label="{escape(alt)}" tabindex="0">'
        f'<table class="ranking" aria-label="{escape(alt)}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )


def show_top(columns: Sequence[str], rows: Sequence[Row], alt: str, links: Sequence[str]) -> None:
    """The same with the first FIRST rows in sight; the rest is a table that opens below."""
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
    """The URL of a page with what is chosen now, but for these parameters."""
    chosen: dict[str, str | list[str]] = {name: st.query_params.get_all(name) for name in st.query_params}
    return f"/{page}?{urlencode({**chosen, **parameters}, doseq=True)}"
