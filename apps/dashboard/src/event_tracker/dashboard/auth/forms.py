"""Forms outside of Streamlit, which can't set cookies: plain pages that need no script, and what is sent with them."""

import re
import secrets
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from event_tracker.dashboard.auth import cookies

MOST_BYTES = 8192
PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")
POLICY = "default-src 'none'; style-src 'nonce-{}'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

_templates = Environment(
    loader=PackageLoader("event_tracker.dashboard.auth"),
    autoescape=select_autoescape(default=True),
    trim_blocks=True,
    lstrip_blocks=True,
)


class NotOursError(Exception):
    """What was sent isn't a form of ours, or was sent by a page of another site."""


class WrongSchemeError(Exception):
    """The browser speaks HTTPS where the setting says HTTP, or the other way round: it wouldn't keep the cookie, or not safely."""


async def read(request: Request) -> dict[str, str]:
    """The fields of a form that a page of ours sent.

    Raises:
        NotOursError, WrongSchemeError
    """
    if not is_same_origin(request):
        raise NotOursError
    require_scheme(request.headers.get("Origin", ""))
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise NotOursError
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=10, errors="strict"))
    except ValueError:
        raise NotOursError from None


def is_same_origin(request: Request) -> bool:
    """Whether a page of this host sent it. Every browser says with a POST where it comes from, and no page can make it lie."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "")
    return site == "same-origin" if site else urlsplit(origin).netloc == request.headers.get("Host", "-")


def require_scheme(url: str) -> None:
    """Return if the dashboard's own address begins as the setting says.

    Raises:
        WrongSchemeError
    """
    scheme = urlsplit(url).scheme
    if scheme in ("http", "https") and (scheme == "https") != cookies.is_https():
        raise WrongSchemeError


def local_path(given: str) -> str:
    """A path here to go on to; the start page in place of whatever might lead elsewhere."""
    return given if PATH.fullmatch(given) else "/"


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page made from a template."""
    nonce = secrets.token_urlsafe()
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": POLICY.format(nonce),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(_templates.get_template(template).render(values, nonce=nonce), status, headers)
