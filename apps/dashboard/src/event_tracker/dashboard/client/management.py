"""What admins see and change, under /admin of the query service. Nothing of it is kept: it is looked at to be changed."""

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from event_tracker.dashboard.auth import visitor
from event_tracker.dashboard.client.api import Answer
from event_tracker.dashboard.client.service import UnavailableError

SHOWN_ONCE = "_shown_once"
DONE = "_done"


def items(path: str, **parameters: Any) -> list[Answer]:
    """The items of a list. Raises as `visitor.request` does."""
    given = {name: value for name, value in parameters.items() if value not in (None, "")}
    found: list[Answer] = change("GET", path, params=given)["items"]
    return found


def change(method: str, path: str, **how: Any) -> Answer:
    """The answer to a request, empty where it has no body. Raises as `visitor.request` does."""
    try:
        with visitor.request(visitor.session(), method, f"/admin/{path}", **how) as response:
            answer: Answer = response.json() if response.content else {}
            return answer
    except OSError as error:
        raise UnavailableError(str(error)) from error


def show_once(**secret: str) -> None:
    """Have the next run of the page show something that is shown once, then draw the page anew."""
    st.session_state[SHOWN_ONCE] = secret
    st.rerun()


def take_secret() -> dict[str, str]:
    """What `show_once` was given, until the page is left or something else is done."""
    secret: dict[str, str] = st.session_state.pop(SHOWN_ONCE, {})
    return secret


def finish(sentence: str, **state: str) -> None:
    """Say that something was changed, and draw the page anew; `state` is what its choices have then."""
    st.session_state[DONE] = (sentence, state)
    st.rerun()


def show_done() -> None:
    """What `finish` was given, once; before the page's choices are drawn."""
    sentence, state = st.session_state.pop(DONE, (None, {}))
    st.session_state.update(state)
    if sentence:
        st.success(sentence, icon=":material/check:")


def moment(time: str | None) -> str | None:
    """A time as people read it."""
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if time else None
