"""The reader's account: what it may do, and its part of the sidebar, with links to sign in and out."""

from collections.abc import Mapping
from html import escape
from typing import Any

import streamlit as st

from event_tracker.dashboard.auth import current
from event_tracker.dashboard.auth.sign_in import CHANGE_PATH, KEEP_PATH, OUT_PATH, PATH
from event_tracker.dashboard.client import service
from event_tracker.dashboard.client.api import ask
from event_tracker.dashboard.client.service import RefusedError, UnavailableError

BUTTON = "padding:.25rem .75rem;border:1px solid #808a96;border-radius:.5rem;background:none;color:inherit;font:inherit;cursor:pointer"
SIGNED_IN = f"""
<div class="account">
<p style="margin:0 0 .5rem">Signed in as <strong>{{name}}</strong></p>
<form method="post" action="{OUT_PATH}" style="display:flex;gap:1rem;align-items:center">
<button style="{BUTTON}">Sign out</button>
{{change}}
</form>
</div>
"""
CHANGE = f'<a href="{CHANGE_PATH}" target="_self">Change password</a>'
KEEP = f'<img src="{KEEP_PATH}?{{number}}" alt="" width="1" height="1">'

Account = Mapping[str, Any]


def who() -> Account | None:
    """The reader's account, from the query service; None if it doesn't answer.

    Raises:
        SignedOutError
    """
    try:
        return ask("/auth/me")
    except (UnavailableError, RefusedError):
        return None


def has_scope(who: Account | None, scope: str) -> bool:
    """Whether the reader has a scope. True if the account isn't known: the query service then refuses what isn't allowed."""
    return who is None or scope in who["scopes"]


def is_admin(who: Account | None) -> bool:
    """Whether the reader is an admin. False if the account isn't known."""
    return who is not None and "admin" in who["scopes"]


def show(who: Account | None, *, below_filters: bool) -> None:
    """Draw the end of the sidebar: the name and a button to sign out, or a link to sign in where that is optional.

    Args:
        below_filters: whether the page has filters. Otherwise the line below the list of pages is just above.
    """
    if who is None:
        return
    signed_in = current.sign_in()
    with st.sidebar:
        if signed_in:
            if below_filters:
                st.divider()
            st.html(SIGNED_IN.format(name=escape(signed_in.name), change="" if who["by_provider"] else CHANGE))
            if not signed_in.cookie_is_current:
                st.html(KEEP.format(number=signed_in.renewals))
        elif _can_sign_in():
            if below_filters:
                st.divider()
            st.link_button("Sign in", PATH)


@st.cache_data(ttl=60)
def _methods() -> Mapping[str, Any]:
    with service.request("GET", "/auth/methods") as response:
        answer: Mapping[str, Any] = response.json()
        return answer


def _can_sign_in() -> bool:
    try:
        return bool(_methods()["password"])
    except (UnavailableError, RefusedError):
        return False
