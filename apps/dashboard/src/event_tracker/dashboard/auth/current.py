"""Who uses the current page: their sign-in, and requests with it."""

from typing import Any

import requests
import streamlit as st

from event_tracker.dashboard.auth import cookies
from event_tracker.dashboard.auth.browser_sign_ins import BrowserSignIn, SignedOutError, sign_ins
from event_tracker.dashboard.client import service
from event_tracker.dashboard.client.service import RefusedError

KEY = "_session"


def sign_in() -> BrowserSignIn | None:
    """Their sign-in; None if they haven't signed in.

    Raises:
        SignedOutError: it has ended, or a password must be set first. /sign-in handles both.
        UnavailableError, RefusedError: as `service.request` does.
    """
    if KEY not in st.session_state:
        # Streamlit has the cookie of the time when the WebSocket was opened, so it is read only once.
        cookie = cookies.read(st.context.cookies)
        st.session_state[KEY] = sign_ins.find(cookie) if cookie else None
    found: BrowserSignIn | None = st.session_state[KEY]
    if found and (found.ended or found.must_set_password):
        raise SignedOutError
    return found


def key(signed_in: BrowserSignIn | None) -> str | None:
    """The cache key for a sign-in's answers; None without a sign-in."""
    return signed_in.key if signed_in else None


def request(signed_in: BrowserSignIn | None, method: str, path: str, **how: Any) -> requests.Response:
    """Send a request. Returns the response with its body not yet read.

    Raises:
        SignedOutError: it requires a sign-in.
        UnavailableError, RefusedError: as `service.request` does.
    """
    if signed_in:
        return signed_in.request(method, path, **how)
    try:
        return service.request(method, path, **how)
    except RefusedError as refused:
        if refused.status == 401:
            raise SignedOutError from refused
        raise
