"""Messages in place of an answer: what went wrong, or why there is nothing to show, and what to do next."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from event_tracker.dashboard.auth.browser_sign_ins import SignedOutError
from event_tracker.dashboard.auth.sign_in import GO_PATH, PATH
from event_tracker.dashboard.client.service import RefusedError, UnavailableError, query_url
from event_tracker.dashboard.markdown import as_text
from event_tracker.dashboard.settings import Settings

FIRST_EVENT = """
curl -H 'Content-Type: application/json' {collector}/events \\
  -d '{{"user_id": "ann", "event_type": "page_view", "properties": {{"page": "/"}}}}'

tracker simulate --users 500 --events 20000 --days 7 --collector {collector}
"""

SIGN_IN = f"""
<a href="{PATH}" target="_self">Sign in</a>
<script src="{GO_PATH}"></script>
"""

NEEDS = {
    "read_stats": "This page shows statistics, which your role doesn't include.",
    "read_events": "This page shows single events, and your role includes statistics only.",
    "export": "This page shows single events, and your role includes statistics only.",
    "sql": "This page reads single events, and your role includes statistics only.",
}
ROLES = {"read_stats": "viewer", "read_events": "analyst", "export": "analyst", "sql": "analyst"}
"""The least role that has a scope."""


@contextmanager
def show_refusal() -> Iterator[None]:
    """Show a refusal of the query service in place of this part of the page. The rest of the page is still drawn."""
    try:
        with open_sign_in():
            yield
    except RefusedError as refused:
        show_problem(refused)


def show_problem(refused: RefusedError) -> None:
    """Show what the query service said."""
    # If there are several errors, the detail repeats the first of them.
    lines = [
        f"- {as_text(error['parameter'])}: {_sentence(error['detail'])}"
        for error in refused.errors
        if "parameter" in error
    ]
    lines = lines if len(lines) > 1 else [line.removeprefix("- ") for line in lines] or [_sentence(refused.detail)]
    if refused.status == 504:
        lines.append("Choose a shorter range.")
    st.error("\n".join(lines), icon=":material/error:")


def _sentence(detail: str) -> str:
    """A sentence of the query service, which has names of parameters in backticks, and may have texts of the reader."""
    return as_text(detail.replace("`", ""))


@contextmanager
def open_sign_in() -> Iterator[None]:
    """If the reader isn't signed in, open the sign-in form, which leads back to this page."""
    try:
        yield
    except SignedOutError:
        st.html(SIGN_IN, unsafe_allow_javascript=True)


@contextmanager
def show_unavailable() -> Iterator[None]:
    """If the query service can't be reached, show that in place of the page."""
    try:
        yield
    except UnavailableError:
        st.error(
            f"The query service at {query_url()} doesn't answer. Start it (tracker up, or your deployment) and "
            "reload this page. If it has another address, set QUERY_URL for the dashboard.",
            icon=":material/cloud_off:",
        )


def show_not_allowed(scope: str) -> None:
    """Show that the reader's role doesn't allow this page."""
    st.info(f"{NEEDS[scope]} An admin can give you the role {ROLES[scope]}.", icon=":material/lock:")


def show_no_events_yet() -> None:
    """Show that there are no events at all, and how to send one."""
    st.info("There are no events yet. Send one, or a simulated week, to the collector:", icon=":material/inbox:")
    st.code(FIRST_EVENT.strip().format(collector=Settings.read().collector_url), language="shell", wrap_lines=True)


def show_no_page_views_yet() -> None:
    """Show that there are events, but no page views, and where those come from."""
    st.info(
        "There are no page views yet (events of the type page_view). A site's tracker.js sends them, with the lines to copy from the "
        "page Sources (docs/browser.md).",
        icon=":material/inbox:",
    )


def show_nothing_found(what: str = "events", hint: str = "Choose a longer range, or clear filters.") -> None:
    """Show that there are events, but none for this page."""
    st.info(f"No {what} in this range. {hint}", icon=":material/search_off:")
