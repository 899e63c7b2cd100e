"""Streamlit's own files (scripts, styles) with gzip. Streamlit leaves that to a proxy, since it would compress at each request.

Here each is compressed once, when it is first asked for, and kept: their names have a hash of what they hold, and there are
some hundreds of them, about 8 MB compressed. Only their own paths count: Streamlit answers other spellings (`/static//js/…`)
with the same file and what isn't there with its page, so that by paths alone anybody could have copies kept without end.
"""

import gzip
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import file_util

ROOT = Path(file_util.get_static_dir())
SUFFIXES = {".js", ".css", ".json", ".svg"}
FILES = frozenset(f"/{path.relative_to(ROOT)}" for path in ROOT.rglob("static/**/*") if path.suffix in SUFFIXES)
"""The paths of what is compressed."""

LEVEL = 6


class Compressed:
    """ASGI middleware that answers GET /static/… with gzip, to whom takes it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.kept: dict[str, list[Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _wants_file(scope):
            await self.app(scope, receive, send)
            return
        answer = self.kept.get(scope["path"]) or await self._compress(scope, receive)
        for message in answer:
            await send(message)

    async def _compress(self, scope: Scope, receive: Receive) -> list[Message]:
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, collect)
        head, *parts = messages
        if head["status"] != 200 or b"content-encoding" in dict(head["headers"]):
            return messages
        body = await run_in_threadpool(gzip.compress, b"".join(part.get("body", b"") for part in parts), LEVEL, mtime=0)
        headers = MutableHeaders(raw=list(head["headers"]))
        headers["Content-Encoding"], headers["Content-Length"] = "gzip", str(len(body))
        headers.add_vary_header("Accept-Encoding")
        if "ETag" in headers:
            headers["ETag"] = "W/" + headers["ETag"].removeprefix("W/")
        self.kept[scope["path"]] = [{**head, "headers": headers.raw}, {"type": "http.response.body", "body": body}]
        return self.kept[scope["path"]]


def _wants_file(scope: Scope) -> bool:
    """Whether all of a file is asked for: what the browser has already, or a part, is Streamlit's to answer."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in FILES:
        return False
    headers = Headers(scope=scope)
    conditional = any(name in headers for name in ("range", "if-none-match", "if-modified-since"))
    return not conditional and "gzip" in headers.get("accept-encoding", "")
