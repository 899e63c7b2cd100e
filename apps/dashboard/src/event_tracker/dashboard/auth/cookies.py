"""The cookie with a sign-in's refresh token. Scripts of a page can't read it, and other sites can't make browsers send it.

With HTTPS its name begins with `__Host-`: browsers accept it only from this host and over HTTPS. The plain name, which another
host of the same domain could set, is used only where the dashboard is served without HTTPS.
"""

import functools
from collections.abc import Mapping

from starlette.responses import Response

from event_tracker.dashboard.settings import Settings

SIGN_IN = "sign-in"


@functools.cache
def is_https() -> bool:
    """Whether browsers use HTTPS for the dashboard, usually through a proxy in front of it."""
    return Settings.read().https


def name_of(what: str) -> str:
    """The full name of a cookie, with a prefix if HTTPS is used."""
    return f"__Host-{what}" if is_https() else what


def read(cookies: Mapping[str, str]) -> str | None:
    """Read the refresh token; None if there is no such cookie."""
    return cookies.get(name_of(SIGN_IN)) or None


def write(response: Response, token: str, seconds: int) -> None:
    """Set the cookie with a refresh token."""
    response.set_cookie(name_of(SIGN_IN), token, max_age=seconds, secure=is_https(), httponly=True, samesite="strict")


def delete(response: Response) -> None:
    """Delete the cookie."""
    response.delete_cookie(name_of(SIGN_IN), secure=is_https(), httponly=True, samesite="strict")
