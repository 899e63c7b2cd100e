"""Streamlit's own files (scripts, styles) with gzip. Streamlit leaves that to a proxy, since it would compress at each request.

Here each is read from disk and compressed once, when it is first asked for, and kept: some hundred files, 7 MB if all of them were
asked for. Never by way of an answer: one whose browser goes away ends early, and a part of a file would be kept as all of it.
Nothing else is compressed here: what holds secrets and texts of others at once tells by its length how alike they are.
"""

import asyncio
import gzip
import re
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import file_util
from streamlit.web.server.starlette.starlette_server_config import STATIC_ASSET_CACHE_MAX_AGE_SECONDS

ROOT = Path(file_util.get_static_dir())
SUFFIXES = {".js", ".css", ".svg"}
FILES = {f"/{path.relative_to(ROOT).as_posix()}": path for path in ROOT.rglob("static/**/*") if path.suffix in SUFFIXES}
"""The files that are compressed, by their only path here: Streamlit answers other spellings (`/static//js/…`) with the same."""

LEVEL = 6
IMMUTABLE = f"public, immutable, max-age={STATIC_ASSET_CACHE_MAX_AGE_SECONDS}"
"""What Streamlit says of these files: their names have a hash of what they hold."""

REFUSED = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*")


class Compressed:
    """ASGI middleware that answers GET and HEAD /static/… with gzip, to whom takes it; a part of a file is Streamlit's to answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.static = StaticFiles(directory=ROOT)
        self.bodies: dict[str, bytes] = {}
        self.lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or scope["path"] not in FILES:
            await self.app(scope, receive, send)
            return
        request_headers = Headers(scope=scope)
        if "range" in request_headers or not takes_gzip(request_headers.get("accept-encoding", "")):
            await self.app(scope, receive, _add_vary(send))
            return
        response = await self._answer(scope["path"], request_headers)
        await response(scope, receive, send)

    async def _answer(self, path: str, request_headers: Headers) -> Response:
        file = FILES[path]
        plain = FileResponse(file, stat_result=await run_in_threadpool(file.stat))
        headers = {
            "Content-Type": plain.headers["content-type"],
            "Content-Encoding": "gzip",
            "Vary": "Accept-Encoding",
            "Cache-Control": IMMUTABLE,
            "Last-Modified": plain.headers["last-modified"],
            "ETag": f'{plain.headers["etag"][:-1]}-gzip"',  # not that of the file as it is: these are other bytes
        }
        if self.static.is_not_modified(Headers(headers), request_headers):
            return NotModifiedResponse(Headers(headers))
        return Response(await self._compress(path), headers=headers)

    async def _compress(self, path: str) -> bytes:
        # One after the other: who asks for a file that is being compressed waits for it, and a crowd leaves the other cores alone.
        async with self.lock:
            if path not in self.bodies:
                self.bodies[path] = await run_in_threadpool(_gzip, FILES[path])
        return self.bodies[path]


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding names gzip, and doesn't refuse it by a quality of 0."""
    for one in accepted.lower().split(","):
        name, _, quality = one.partition(";")
        if name.strip() == "gzip":
            return not REFUSED.fullmatch(quality)
    return False


def _gzip(file: Path) -> bytes:
    return gzip.compress(file.read_bytes(), LEVEL, mtime=0)


def _add_vary(send: Send) -> Send:
    async def send_with_vary(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).add_vary_header("Accept-Encoding")
        await send(message)

    return send_with_vary
