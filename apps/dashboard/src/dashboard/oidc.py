"""/sign-in/oidc: off to the provider by which people sign in, and back. What is to be kept meanwhile is in a cookie of ten minutes."""

from typing import Any
from urllib.parse import quote, unquote

import requests
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard import forms, service
from dashboard.service import AwayError

START_PATH = "/sign-in/oidc"
BACK_PATH = "/sign-in/oidc/callback"

NAMES = {True: "__Host-oidc", False: "oidc"}

Json = dict[str, Any]


class NotBegunError(Exception):
    """This browser didn't begin it, or too long ago; or the provider said no."""


async def start(request: Request) -> Response:
    """Go to the provider. Raises as `service.request` does."""
    to = forms.local_path(request.query_params.get("next", "/"))
    begun = await run_in_threadpool(_ask, "/auth/oidc")
    secure = begun["redirect_uri"].startswith("https://")
    response = RedirectResponse(begun["authorization_url"], 303, {"Cache-Control": "no-store"})
    # Not "strict": the way back is from another site.
    response.set_cookie(
        NAMES[secure],
        f"{begun['transaction']}|{quote(to)}",
        max_age=begun["expires_in"],
        secure=secure,
        httponly=True,
        samesite="lax",
    )
    return response


async def finish(request: Request) -> tuple[Json, str, bool]:
    """What the query service gives for that with which the browser came back, where to go on to, and whether it speaks HTTPS.

    Raises:
        NotBegunError
        AwayError, RefusedError: as `service.request` does.
    """
    kept = next(((secure, request.cookies[name]) for secure, name in NAMES.items() if request.cookies.get(name)), None)
    sent = {name: request.query_params[name] for name in ("code", "state", "iss") if name in request.query_params}
    if kept is None or not {"code", "state"} <= sent.keys():
        raise NotBegunError
    secure, (transaction, _, to) = kept[0], kept[1].partition("|")
    given = await run_in_threadpool(service.post, "/auth/oidc", transaction=transaction, **sent)
    return given, forms.local_path(unquote(to)), secure


def forget(response: Response) -> None:
    """Have the browser forget what was kept: it is for one use."""
    for secure, name in NAMES.items():
        response.delete_cookie(name, secure=secure, httponly=True, samesite="lax")


def is_there() -> bool:
    """Whether people sign in by a provider."""
    try:
        return bool(_ask("/auth/methods")["oidc"])
    except (AwayError, service.RefusedError, KeyError):
        return False


def _ask(path: str) -> Json:
    try:
        with service.request("GET", path) as response:
            answer: Json = response.json()
            return answer
    except requests.RequestException as error:
        raise AwayError(str(error)) from error
