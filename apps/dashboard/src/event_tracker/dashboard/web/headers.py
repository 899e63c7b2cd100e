"""Security headers on all answers: what the pages may load and run, and that no other page may frame them."""

import re
from base64 import b64encode
from hashlib import sha256
from importlib import resources

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def policy() -> str:
    """The Content-Security-Policy: nothing from other hosts, and no inline scripts except those of Streamlit's own page."""
    page = resources.files("streamlit").joinpath("static", "index.html").read_bytes()
    inline = " ".join(
        f"'sha256-{b64encode(sha256(script).digest()).decode()}'" for script in INLINE_SCRIPT.findall(page)
    )
    return "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' {inline}",
            "style-src 'self' 'unsafe-inline'",  # Streamlit and Plotly write styles
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )


class Headers:
    """ASGI middleware that adds the headers which an answer doesn't have."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.added = {
            "Content-Security-Policy": policy(),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",  # with no-referrer, browsers would send `Origin: null` with forms
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.added.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)
