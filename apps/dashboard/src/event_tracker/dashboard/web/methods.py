"""Allows only the dashboard's own forms to be sent. Streamlit also accepts uploads, from anybody, and keeps them in memory."""

from collections.abc import Sequence

from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

READING = {"GET", "HEAD", "OPTIONS"}


class ReadOnly:
    """ASGI middleware that answers 405 to all methods that aren't reading, except on these routes. It doesn't read the body.

    Args:
        but: the routes whose methods are allowed.
    """

    def __init__(self, app: ASGIApp, but: Sequence[Route]) -> None:
        self.app = app
        self.taken = {(method, route.path) for route in but for method in route.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in READING or (scope["method"], scope["path"]) in self.taken:
            await self.app(scope, receive, send)
        else:
            await PlainTextResponse("Method Not Allowed", 405, {"Allow": "GET, HEAD"})(scope, receive, send)
