"""Requests to /admin of the query service. Answers aren't cached: admins must see the current state."""

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from event_tracker.dashboard.auth import current
from event_tracker.dashboard.client.api import Answer
from event_tracker.dashboard.client.service import UnavailableError

SHOWN_ONCE = "_shown_once"
DONE = "_done"


def items(path: str, **parameters: Any) -> list[Answer]:
    """Fetch the items of a list. Raises as `current.request` does."""
    given = {name: value for name, value in parameters.items() if value not in (None, "")}
    found: list[Answer] = change("GET", path, params=given)["items"]
    return found


def change(method: str, path: str, **how: Any) -> Answer:
    """Send a request about management and return the answer, empty if it has no body. Raises as `current.request` does."""
    return send(method, f"/admin/{path}", **how)


def send(method: str, path: str, **how: Any) -> Answer:
    """Send a request and return the answer, empty if it has no body. Raises as `current.request` does."""
    try:
        with current.request(current.sign_in(), method, path, **how) as response:
            answer: Answer = response.json() if response.content else {}
            return answer
    except OSError as error:
        raise UnavailableError(str(error)) from error


def show_once(**secret: str) -> None:
    """Draw the page again, so that it shows a secret once."""
    st.session_state[SHOWN_ONCE] = secret
    st.rerun()


def take_secret() -> dict[str, str]:
    """Return what `show_once` was given. It returns it only once."""
    secret: dict[str, str] = st.session_state.pop(SHOWN_ONCE, {})
    return secret


def finish(sentence: str, **state: str) -> None:
    """Draw the page again, with a message that something was changed. `state` sets the values of its inputs."""
    st.session_state[DONE] = (sentence, state)
    st.rerun()


def show_done() -> None:
    """Show the message that `finish` was given, once. Call it before the page's inputs are drawn."""
    sentence, state = st.session_state.pop(DONE, (None, {}))
    st.session_state.update(state)
    if sentence:
        st.success(sentence, icon=":material/check:")


def moment(time: str | None) -> str | None:
    """Format a time in UTC for people, to the minute."""
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if time else None
