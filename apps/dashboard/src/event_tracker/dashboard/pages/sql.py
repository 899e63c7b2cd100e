"""The page SQL: one statement over the events of the range, its rows as a table and a chart, and those that were run before."""

import csv
import io
import re
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from event_tracker.dashboard.auth import current
from event_tracker.dashboard.auth.browser_sign_ins import SignedOutError
from event_tracker.dashboard.charts import charts, numbers
from event_tracker.dashboard.client import saved_queries
from event_tracker.dashboard.client.api import Answer, ask_with_body
from event_tracker.dashboard.client.download import for_spreadsheets
from event_tracker.dashboard.client.service import RefusedError, UnavailableError
from event_tracker.dashboard.filters.filters import Filters
from event_tracker.dashboard.markdown import as_text

STATEMENT, RESULT, HISTORY, NAME = "_sql_statement", "_sql_result", "_sql_history", "_sql_name"

REFUSED = "_sql_refused"

NAMES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Names of saved queries (docs/sql.md)."""

LIMIT = 1000
MAX_KEPT = 20
MAX_BARS = 60

VIEWS = {
    "events": ["event_id", "user_id", "sent_id", "event_type", "timestamp", "received_at", "session_id", "source", "properties"],
    "pages": ["event_id", "user_id", "timestamp", "session_id", "source", "page", "host", "referrer", "utm_source", "utm_medium",
              "utm_campaign", "utm_term", "utm_content"],
    "sessions": ["user_id", "session_id", "started", "ended", "seconds", "is_bounce", "source", "events", "page_views",
                 "entry_type", "exit_type", "entry_page", "entry_host", "exit_page", "referrer", "utm_source", "utm_medium",
                 "utm_campaign", "utm_term", "utm_content"],
    "users": ["user_id", "first_event", "last_event", "events", "page_views", "event_types", "active_days", "first_seen", "is_new"],
}  # fmt: skip
"""Views and their columns (docs/sql.md)."""

EXAMPLES = {
    "Events by type": "select event_type, count(*) as events\nfrom events\ngroup by event_type\norder by events desc",
    "Views and visitors by day": (
        "select date_trunc('day', timestamp)::date as day, count(*) as views, count(distinct user_id) as visitors\n"
        "from pages\ngroup by day\norder by day"
    ),
    "Landing pages": (
        "select entry_page, count(*) as sessions, round(avg(is_bounce::int), 2) as bounce_rate\n"
        "from sessions\nwhere entry_page is not null\ngroup by entry_page\norder by sessions desc\nlimit 20"
    ),
    "Hours of the day": "select hour(timestamp) as hour, count(*) as events\nfrom events\ngroup by hour\norder by hour",
    "Most active users": "select user_id, events, active_days\nfrom users\norder by events desc\nlimit 20",
}

NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL")


def show(chosen: Filters) -> None:
    """Draw the page."""
    st.session_state.setdefault(STATEMENT, EXAMPLES["Events by type"])
    main, side = st.columns([3, 1])
    with side:
        _show_side()
    with main:
        _show_form(chosen)
        if RESULT in st.session_state:
            _show_result(st.session_state[RESULT])


def _show_form(chosen: Filters) -> None:
    # In a form, so that the page isn't drawn again between the text and the click on a button.
    with st.form("sql", border=False):
        statement = st.text_area("Statement", key=STATEMENT, height=220, max_chars=20_000)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            is_run = st.form_submit_button("Run", type="primary", icon=":material/play_arrow:")
            if not current.sign_in():
                name, is_saved = "", False
            else:
                name = st.text_input(
                    "Name", key=NAME, placeholder="name to save it by", label_visibility="collapsed", max_chars=100,
                    width=150,
                )  # fmt: skip
                is_saved = st.form_submit_button("Save", icon=":material/bookmark:")
    if is_run:
        _run(statement, chosen)
    if is_saved:
        _save(name.strip(), statement)


def _save(name: str, statement: str) -> None:
    if not NAMES.fullmatch(name):
        st.error("A name has letters, digits, and . _ - behind the first.", icon=":material/error:")
        return
    try:
        saved_queries.save(name, statement)
    except RefusedError as refused:
        st.error(as_text(refused.detail), icon=":material/error:")
    else:
        st.rerun()


def _show_saved() -> None:
    """The saved queries, where the visitor has signed in: without a name nobody owns one."""
    try:
        kept = saved_queries.list_queries() if current.sign_in() else []
    except RefusedError:
        return
    if not kept:
        return
    with st.expander("Saved"):
        for query in kept:
            with st.container(horizontal=True, horizontal_alignment="distribute"):
                st.button(
                    as_text(query["name"]), key=f"_saved {query['name']}", on_click=_take, args=(query,), type="tertiary",
                    help=as_text(f"Saved by {query['owner']}"),
                )  # fmt: skip
                st.button(
                    "", key=f"_unsave {query['name']}", on_click=_remove, args=(query["name"],), type="tertiary",
                    icon=":material/delete:", help=as_text(f"Remove {query['name']}"),
                )  # fmt: skip


def _take(query: Answer) -> None:
    _write(query["sql"])
    st.session_state[NAME] = query["name"]


def _remove(name: str) -> None:
    try:
        saved_queries.remove(name)
    except RefusedError as refused:
        st.session_state[REFUSED] = refused.detail
    except (UnavailableError, SignedOutError):
        pass  # the page, which is drawn next, meets the same and shows it


def _show_side() -> None:
    if detail := st.session_state.pop(REFUSED, None):
        st.error(as_text(detail), icon=":material/error:")
    st.caption(
        "One SELECT in DuckDB's SQL over the events of the range and the sources; other filters don't apply. It is written "
        "into the audit log."
    )
    for name, columns in VIEWS.items():
        with st.expander(name):
            st.text("\n".join(columns))
    with st.expander("Examples"):
        for name, statement in EXAMPLES.items():
            st.button(name, key=f"_example {name}", on_click=_write, args=(statement,), type="tertiary")
    _show_saved()
    kept: list[str] = st.session_state.get(HISTORY, [])
    if kept:
        with st.expander("Run before"):
            for number, statement in enumerate(kept):
                label = as_text(" ".join(statement.split())[:60])
                st.button(label, key=f"_kept {number}", on_click=_write, args=(statement,), type="tertiary")


def _write(statement: str) -> None:
    """Put a statement into the input. Called before the page is drawn again."""
    st.session_state[STATEMENT] = statement


def _run(statement: str, chosen: Filters) -> None:
    kept = [one for one in st.session_state.get(HISTORY, []) if one != statement]
    st.session_state[HISTORY] = [statement, *kept][:MAX_KEPT]
    st.session_state.pop(RESULT, None)
    given = {**chosen.period.bounds, "source": chosen.sources} if chosen.sources else chosen.period.bounds
    try:
        st.session_state[RESULT] = ask_with_body("/sql", {**given, "sql": statement, "limit": LIMIT})
    except RefusedError as refused:
        st.error(as_text(refused.detail), icon=":material/error:")


def _show_result(result: Answer) -> None:
    names = [column["name"] for column in result["columns"]]
    frame = pd.DataFrame(result["rows"], columns=names)
    charts.table(frame, "Rows of the statement")
    more = " There are more: aggregate, or add a limit." if result["truncated"] else ""
    st.caption(f"{numbers.counted(result['row_count'], 'row')}.{more}")
    if result["rows"]:
        st.download_button(
            "Download CSV", _as_csv(names, result["rows"]), "rows.csv", "text/csv", icon=":material/download:"
        )
        _show_chart(frame, result["columns"])


def _as_csv(names: list[str], rows: list[list[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([names, *rows])
    return b"".join(for_spreadsheets([text.getvalue().encode()]))


def _show_chart(frame: pd.DataFrame, columns: list[Answer]) -> None:
    """Columns of numbers by the first column: lines if that is a time, otherwise bars."""
    first, *others = columns
    measured = [
        one["name"] for one in others if any(word in one["type"] for word in NUMBERS) and "[" not in one["type"]
    ]
    if not measured or len(frame) < 2:
        return
    is_time = "DATE" in first["type"] or "TIMESTAMP" in first["type"]
    shown = frame if is_time else frame.head(MAX_BARS)
    across = shown[first["name"]] if is_time else shown[first["name"]].astype(str)
    figure = go.Figure()
    for name in measured:
        trace = (
            go.Scatter(x=across, y=shown[name], name=name) if is_time else go.Bar(x=across, y=shown[name], name=name)
        )
        figure.add_trace(trace)
    if not is_time:
        figure.update_xaxes(type="category")
    charts.draw(figure, "Chart of the rows")
