"""The visitor of a page: whether they have signed in, and what they may see."""

from typing import Any

import requests
import streamlit as st

from event_tracker.dashboard.auth import cookies
from event_tracker.dashboard.auth.sessions import Session, SignedOutError, sessions
from event_tracker.dashboard.client import service
from event_tracker.dashboard.client.service import RefusedError

KEY = "_session"


def session() -> Session | None:
    """This visitor's sign-in; None if they have none.

    Raises:
        SignedOutError: it has ended, or a password must be set first; /sign-in leads there.
        UnavailableError, RefusedError: as `service.request` does.
    """
    if KEY not in st.session_state:
        # The cookie is that of the connection, so it is looked at once: a newer one stays in the browser.
        cookie = cookies.read(st.context.cookies)
        st.session_state[KEY] = sessions.find(cookie) if cookie else None
    found: Session | None = st.session_state[KEY]
    if found and (found.ended or found.must_set_password):
        raise SignedOutError
    return found


def key(session: Session | None) -> str | None:
    """Whose answers are kept together; None is whoever hasn't signed in."""
    return session.key if session else None


def request(session: Session | None, method: str, path: str, **how: Any) -> requests.Response:
    """The response to a visitor's request, its body not read yet.

    Raises:
        SignedOutError: it takes a sign-in.
        UnavailableError, RefusedError: as `service.request` does.
    """
    if session:
        return session.request(method, path, **how)
    try:
        return service.request(method, path, **how)
    except RefusedError as refused:
        if refused.status == 401:
            raise SignedOutError from refused
        raise
