"""The page Explore: the raw events of the range, and downloads of all of them."""

from typing import Any
from urllib.parse import urlencode

import streamlit as st

from event_tracker.dashboard.charts import event_table, numbers
from event_tracker.dashboard.client.api import read_lines
from event_tracker.dashboard.client.download import FORMATS, PATH
from event_tracker.dashboard.filters.filters import Filters
from event_tracker.dashboard.filters.grammar import find_not_of_events
from event_tracker.dashboard.markdown import as_text
from event_tracker.dashboard.notices import show_nothing_found

LIMITS = [100, 250, 500, 1000]
LIMIT_PIXELS = 160


def show(chosen: Filters) -> None:
    """Draw the page."""
    if others := find_not_of_events(chosen.filters):
        _explain(others)
        return
    limit = st.selectbox("Events to show", LIMITS, key="show", bind="query-params", width=LIMIT_PIXELS)
    parameters = {name: value for name, value in {**chosen.period.bounds, **chosen.selection}.items() if value}
    # The export returns the same rows in the same order as the list of events, but doesn't require a user.
    rows = read_lines("/events/export", {**parameters, "format": "ndjson", "limit": limit})
    if not rows:
        show_nothing_found()
        return
    event_table.show(rows, chosen.period.tz, alt="Events, newest first")
    if len(rows) < limit:
        st.caption(f"All {numbers.count(len(rows))} events that match, newest first. Times are in {chosen.period.tz}.")
    else:
        st.caption(f"The newest {numbers.count(len(rows))} events that match. Times are in {chosen.period.tz}.")
    _downloads(parameters)


def _explain(filters: list[str]) -> None:
    """Say why there is no list: one without these filters would look as if they applied."""
    names = "\n".join(f"- {as_text(name)}" for name in filters)
    st.info(
        f"Single events can't be listed or downloaded by filters of sessions or users, at present:\n\n{names}\n\n"
        "Events are read one by one here, and none says what else its session or its user did. "
        "Pages with numbers apply these filters. Remove them above to see events.",
        icon=":material/filter_alt_off:",
    )


def _downloads(parameters: dict[str, Any]) -> None:
    st.header("Download all events that match", anchor=False)
    for column, (format_, label) in zip(st.columns(len(FORMATS)), FORMATS.items(), strict=True):
        query = urlencode({**parameters, "format": format_}, doseq=True)
        column.link_button(label, f"{PATH}?{query}", icon=":material/download:", width="stretch")
    st.caption(
        "Every event, not only those shown, newest first. In CSV, a text that a spreadsheet would take for a formula "
        "has an apostrophe in front; in NDJSON and Parquet it is as it was sent."
    )
