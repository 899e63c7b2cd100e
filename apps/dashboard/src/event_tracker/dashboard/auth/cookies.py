"""The cookie that a browser keeps of a sign-in: its refresh token. No script of a page can read it, no other site can send it.

A deployment has one name for it. With HTTPS browsers take it from this very host alone, and only over HTTPS (`__Host-`). The
plain name, which a page of a neighbouring host could set, is looked at only where HTTPS isn't spoken at all.
"""

import functools
from collections.abc import Mapping

from starlette.responses import Response

from event_tracker.dashboard.settings import Settings

SIGN_IN = "sign-in"


@functools.cache
def is_https() -> bool:
    """Whether browsers speak HTTPS with the dashboard, be it with a proxy in front of it."""
    return Settings.read().https


def name_of(what: str) -> str:
    """The name of a cookie here."""
    return f"__Host-{what}" if is_https() else what


def read(cookies: Mapping[str, str]) -> str | None:
    """The refresh token; None if there is no such cookie."""
    return cookies.get(name_of(SIGN_IN)) or None


def write(response: Response, token: str, seconds: int) -> None:
    """Have the browser keep a refresh token."""
    response.set_cookie(name_of(SIGN_IN), token, max_age=seconds, secure=is_https(), httponly=True, samesite="strict")


def delete(response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(name_of(SIGN_IN), secure=is_https(), httponly=True, samesite="strict")
