"""/sign-in, /sign-out and /password: the routes that set the cookie of a sign-in."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from event_tracker.dashboard.auth import cookies, forms, oidc
from event_tracker.dashboard.auth.browser_sign_ins import BrowserSignIn, SignedOutError, sign_ins
from event_tracker.dashboard.auth.threads import run_in_thread
from event_tracker.dashboard.client import service
from event_tracker.dashboard.client.service import RefusedError, UnavailableError

PATH = "/sign-in"
OUT_PATH = "/sign-out"
CHANGE_PATH = "/password"
KEEP_PATH = "/sign-in/keep"
GO_PATH = "/sign-in/go.js"

UNAVAILABLE = "The query service doesn't answer. Try again in a moment."
WRONG = "The name or the password is wrong, or this person may not sign in."
NOT_STARTED = "This sign-in was started in another browser or too long ago, or the provider refused it. Start again."
WRONG_SCHEME = {
    True: "This dashboard accepts sign-ins over HTTPS only: open it by https://. If it is served without HTTPS, start it with HTTPS=false.",
    False: "This dashboard is set to be served without HTTPS. Start it with HTTPS=true.",
}
GO = f'location.replace("{PATH}?next=" + encodeURIComponent(location.pathname + location.search))'
NOTHING = b'<svg xmlns="http://www.w3.org/2000/svg"/>'

Handler = Callable[[Request], Awaitable[Response]]


def _with_error_pages(handler: Handler) -> Handler:
    """Turn the errors that any form may cause into pages."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except forms.NotOursError:
            text = "This form didn't come from a page of this dashboard. If a proxy is in between, it must pass on the Host header."
            return _message_page(403, "Not accepted", text)
        except forms.WrongSchemeError:
            return _message_page(403, "Not over this protocol", WRONG_SCHEME[cookies.is_https()])
        except SignedOutError:
            return RedirectResponse(PATH, 303)
        except UnavailableError:
            return _message_page(502, "Unavailable", UNAVAILABLE)
        except RefusedError as refused:
            return _message_page(refused.status, "Not accepted", refused.detail)

    return handle


def _message_page(status: int, title: str, text: str) -> Response:
    return forms.page("message.html", status, title=title, text=text, link=PATH, label="Sign in")


async def show_sign_in(request: Request) -> Response:
    """Show the form. A reader who is signed in is redirected."""
    next_path = forms.local_path(request.query_params.get("next", "/"))
    if cookies.read(request.cookies) is None:
        return await _form(next_path)
    signed_in = await run_in_thread(sign_in_of, request)
    if signed_in:
        return RedirectResponse(_next_path(signed_in, next_path), 303)
    response = await _form(next_path)
    cookies.delete(response)
    return response


async def _form(next_path: str, status: int = 200, problem: str = "", name: str = "") -> Response:
    return forms.page(
        "sign_in.html",
        status,
        next=next_path,
        problem=problem,
        name=name,
        oidc=await run_in_thread(oidc.is_offered),
    )


async def sign_in(request: Request) -> Response:
    """Sign in with name and password, and set the cookie."""
    form = await forms.read(request)
    next_path, name = forms.local_path(form.get("next", "/")), form.get("name", "").strip().lower()
    try:
        given = await run_in_thread(service.post, "/auth/sign-in", name=name, password=form.get("password", ""))
    except RefusedError as refused:
        problem = WRONG if refused.status in (401, 422) else refused.detail
        return await _form(next_path, 401 if refused.status == 422 else refused.status, problem, name)
    except UnavailableError:
        return await _form(next_path, 502, UNAVAILABLE, name)
    return await run_in_thread(begin_sign_in, request, given, next_path)


def begin_sign_in(request: Request, given: dict[str, Any], next_path: str) -> Response:
    """Start a sign-in in place of the browser's earlier one, and redirect."""
    earlier = sign_in_of(request)
    if earlier:
        sign_ins.end(earlier)
    signed_in = sign_ins.begin(given)
    response = RedirectResponse(_next_path(signed_in, next_path), 303)
    _set_cookie(response, signed_in)
    return response


def _next_path(signed_in: BrowserSignIn, next_path: str) -> str:
    """The path to continue with: the password form, if a password must be set first."""
    return f"{CHANGE_PATH}?{urlencode({'next': next_path})}" if signed_in.must_set_password else next_path


async def finish_oidc(request: Request) -> Response:
    """Finish the sign-in by a provider, and set the cookie."""
    try:
        given, next_path = await oidc.finish(request)
    except oidc.NotStartedError:
        response = _message_page(400, "Not signed in", NOT_STARTED)
    except RefusedError as refused:
        response = _message_page(refused.status, "Not signed in", refused.detail)
    except UnavailableError:
        response = _message_page(502, "Unavailable", UNAVAILABLE)
    else:
        # A page and not a redirect: browsers don't send a strict cookie after redirects that another site started.
        response = forms.page("continue.html", title="Signed in", next=next_path)
        _set_cookie(response, await run_in_thread(sign_ins.begin, given))
    oidc.delete_cookie(response)
    return response


async def sign_out(request: Request) -> Response:
    """End the sign-in, here and at the query service."""
    await forms.read(request)
    signed_in = await run_in_thread(sign_in_of, request)
    if signed_in:
        await run_in_thread(sign_ins.end, signed_in)
    response = RedirectResponse(PATH, 303)
    cookies.delete(response)
    return response


async def show_password(request: Request) -> Response:
    """Show the form to set another password."""
    return _password_form(await _require_sign_in(request), forms.local_path(request.query_params.get("next", "/")))


def _password_form(signed_in: BrowserSignIn, next_path: str, status: int = 200, problem: str = "") -> Response:
    return forms.page(
        "password.html", status, next=next_path, problem=problem, name=signed_in.name, first=signed_in.must_set_password
    )


async def set_password(request: Request) -> Response:
    """Set the password. That ends all sign-ins, so sign in again."""
    form = await forms.read(request)
    signed_in, next_path = await _require_sign_in(request), forms.local_path(form.get("next", "/"))
    password = form.get("password", "")
    if password != form.get("again"):
        return _password_form(signed_in, next_path, 422, "These two differ.")

    body = {"password": password}
    if not signed_in.must_set_password:
        body["current_password"] = form.get("current", "")

    def change() -> dict[str, Any]:
        signed_in.request("POST", "/auth/password", json=body).close()
        return service.post("/auth/sign-in", name=signed_in.name, password=password)

    try:
        given = await run_in_thread(change)
    except RefusedError as refused:
        problem = _password_problem(refused)
        if problem is None:
            raise
        return _password_form(signed_in, next_path, refused.status, problem)
    return await run_in_thread(begin_sign_in, request, given, next_path)


def _password_problem(refused: RefusedError) -> str | None:
    """The message above the form; None if another attempt can't help."""
    if refused.status == 422:
        about_new = any(error.get("parameter") == "password" for error in refused.errors)
        return "A password has 12 to 200 characters." if about_new else "Give your current password."
    return refused.detail if refused.status == 429 or refused.code == "wrong_password" else None


def keep(request: Request) -> Response:
    """Answer with an empty picture and the newest cookie. A page shows this picture when the refresh token has changed."""
    cookie = cookies.read(request.cookies)
    signed_in = sign_ins.find_local(cookie) if cookie else None
    response = Response(NOTHING, media_type="image/svg+xml", headers={"Cache-Control": "no-store"})
    if signed_in:
        _set_cookie(response, signed_in)
    return response


def go(_: Request) -> Response:
    """The script that opens the form. It is a file, since the pages' policy allows no inline scripts."""
    return Response(GO, media_type="text/javascript", headers={"Cache-Control": "max-age=3600"})


def _set_cookie(response: Response, signed_in: BrowserSignIn) -> None:
    cookies.write(response, signed_in.take_cookie_token(), signed_in.refresh_seconds)
    response.headers["Cache-Control"] = "no-store"


def sign_in_of(request: Request) -> BrowserSignIn | None:
    """The sign-in of the request's browser. Raises as `sign_ins.find` does."""
    cookie = cookies.read(request.cookies)
    return sign_ins.find(cookie) if cookie else None


async def _require_sign_in(request: Request) -> BrowserSignIn:
    signed_in = await run_in_thread(sign_in_of, request)
    if signed_in is None:
        raise SignedOutError
    return signed_in


ROUTES = [
    Route(PATH, _with_error_pages(show_sign_in), methods=["GET"]),
    Route(PATH, _with_error_pages(sign_in), methods=["POST"]),
    Route(oidc.START_PATH, _with_error_pages(oidc.start), methods=["GET"]),
    Route(oidc.CALLBACK_PATH, finish_oidc, methods=["GET"]),
    Route(OUT_PATH, _with_error_pages(sign_out), methods=["POST"]),
    Route(CHANGE_PATH, _with_error_pages(show_password), methods=["GET"]),
    Route(CHANGE_PATH, _with_error_pages(set_password), methods=["POST"]),
    Route(KEEP_PATH, keep, methods=["GET"]),
    Route(GO_PATH, go, methods=["GET"]),
]
