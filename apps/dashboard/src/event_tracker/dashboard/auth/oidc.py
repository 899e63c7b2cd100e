"""/sign-in/oidc: redirect to the OpenID Connect provider, and handle the way back. A cookie of ten minutes keeps the state."""

from typing import Any
from urllib.parse import quote, unquote

import requests
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from event_tracker.dashboard.auth import cookies, forms
from event_tracker.dashboard.auth.threads import run_in_thread
from event_tracker.dashboard.client import service
from event_tracker.dashboard.client.service import UnavailableError

START_PATH = "/sign-in/oidc"
CALLBACK_PATH = "/sign-in/oidc/callback"

COOKIE = "oidc"

Json = dict[str, Any]


class NotStartedError(Exception):
    """This browser didn't start the sign-in, or too long ago, or the provider refused it."""


async def start(request: Request) -> Response:
    """Redirect to the provider. Raises as `service.request` and `forms.require_scheme` do."""
    next_path = forms.local_path(request.query_params.get("next", "/"))
    started = await run_in_thread(_ask, "/auth/oidc")
    forms.require_scheme(started["redirect_uri"])
    response = RedirectResponse(started["authorization_url"], 303, {"Cache-Control": "no-store"})
    # Not "strict": the provider's site redirects back to here.
    response.set_cookie(
        cookies.name_of(COOKIE),
        f"{started['transaction']}|{quote(next_path)}",
        max_age=started["expires_in"],
        secure=cookies.is_https(),
        httponly=True,
        samesite="lax",
    )
    return response


async def finish(request: Request) -> tuple[Json, str]:
    """Exchange the provider's answer for tokens at the query service. Returns them and the path to continue with.

    Raises:
        NotStartedError
        UnavailableError, RefusedError: as `service.request` does.
    """
    kept = request.cookies.get(cookies.name_of(COOKIE))
    sent = {name: request.query_params[name] for name in ("code", "state", "iss") if name in request.query_params}
    if not kept or not {"code", "state"} <= sent.keys():
        raise NotStartedError
    transaction, _, next_path = kept.partition("|")
    tokens = await run_in_thread(service.post, "/auth/oidc", transaction=transaction, **sent)
    return tokens, forms.local_path(unquote(next_path))


def delete_cookie(response: Response) -> None:
    """Delete the cookie: it is for one use."""
    response.delete_cookie(cookies.name_of(COOKIE), secure=cookies.is_https(), httponly=True, samesite="lax")


def is_offered() -> bool:
    """Whether people may sign in by a provider."""
    try:
        return bool(_ask("/auth/methods")["oidc"])
    except (UnavailableError, service.RefusedError, KeyError):
        return False


def _ask(path: str) -> Json:
    try:
        with service.request("GET", path) as response:
            answer: Json = response.json()
            return answer
    except requests.RequestException as error:
        raise UnavailableError(str(error)) from error
