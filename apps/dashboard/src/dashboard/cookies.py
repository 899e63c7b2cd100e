"""The cookie that a browser keeps of a sign-in: its refresh token. No script of a page can read it, no other site can send it."""

from collections.abc import Mapping

from starlette.responses import Response

NAMES = {True: "__Host-sign-in", False: "sign-in"}
"""With HTTPS a name that browsers take from this very host alone, and only over HTTPS."""


def read(cookies: Mapping[str, str]) -> tuple[str, bool] | None:
    """The refresh token, and whether the browser speaks HTTPS; None if there is no such cookie."""
    return next(((cookies[name], secure) for secure, name in NAMES.items() if cookies.get(name)), None)


def write(response: Response, token: str, seconds: int, *, secure: bool) -> None:
    """Have the browser keep a refresh token."""
    response.set_cookie(NAMES[secure], token, max_age=seconds, secure=secure, httponly=True, samesite="strict")


def delete(response: Response) -> None:
    """Have the browser forget it."""
    for secure, name in NAMES.items():
        response.delete_cookie(name, secure=secure, httponly=True, samesite="strict")
