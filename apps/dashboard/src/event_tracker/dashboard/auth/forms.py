"""Forms outside of Streamlit, which can't set cookies: plain pages without scripts, and reading what they send."""

import re
import secrets
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from event_tracker.dashboard.auth import cookies

MAX_BYTES = 8192
PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")
POLICY = "default-src 'none'; style-src 'nonce-{}'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

_templates = Environment(
    loader=PackageLoader("event_tracker.dashboard.auth"),
    autoescape=select_autoescape(default=True),
    trim_blocks=True,
    lstrip_blocks=True,
)


class NotOursError(Exception):
    """The request isn't one of our forms, or it was sent by a page of another site."""


class WrongSchemeError(Exception):
    """The browser uses HTTPS but the setting says HTTP, or the other way round. It wouldn't keep the cookie, or not safely."""


async def read(request: Request) -> dict[str, str]:
    """Read the fields of a form that one of our pages sent.

    Raises:
        NotOursError, WrongSchemeError
    """
    if not is_same_origin(request):
        raise NotOursError
    require_scheme(request.headers.get("Origin", ""))
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise NotOursError
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=10, errors="strict"))
    except ValueError:
        raise NotOursError from None


def is_same_origin(request: Request) -> bool:
    """Whether a page of this host sent the request. Browsers send its origin with each POST, and pages can't change that."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "")
    return site == "same-origin" if site else urlsplit(origin).netloc == request.headers.get("Host", "-")


def require_scheme(url: str) -> None:
    """Check that the scheme of the dashboard's own URL is the one in the settings.

    Raises:
        WrongSchemeError
    """
    scheme = urlsplit(url).scheme
    if scheme in ("http", "https") and (scheme == "https") != cookies.is_https():
        raise WrongSchemeError


def local_path(given: str) -> str:
    """The given path if it is one of this host. Otherwise the start page, so that nobody is redirected to another site."""
    return given if PATH.fullmatch(given) else "/"


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a template as a page."""
    nonce = secrets.token_urlsafe()
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": POLICY.format(nonce),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(_templates.get_template(template).render(values, nonce=nonce), status, headers)
