"""Compresses Streamlit's own files (scripts, styles) with gzip. Streamlit leaves that to a proxy.

Each file is read from disk and compressed once, at its first request, and kept in memory: some hundred files, 7 MB at most. The
bytes aren't taken from a response: one that a browser aborts is incomplete, and the part would be kept as the whole file.
Nothing else is compressed: if a compressed answer holds a secret and texts of others, its length reveals how similar they are.
"""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import file_util
from streamlit.web.server.starlette.starlette_server_config import STATIC_ASSET_CACHE_MAX_AGE_SECONDS

from event_tracker.dashboard.web.connections import PIECE_BYTES

ROOT = Path(file_util.get_static_dir())
SUFFIXES = {".js", ".css", ".svg"}
FILES = {f"/{path.relative_to(ROOT).as_posix()}": path for path in ROOT.rglob("static/**/*") if path.suffix in SUFFIXES}
"""The files that are compressed, by path. Other spellings of a path (`/static//js/…`) are answered by Streamlit, uncompressed."""

LEVEL = 6
IMMUTABLE = f"public, immutable, max-age={STATIC_ASSET_CACHE_MAX_AGE_SECONDS}"
"""The Cache-Control that Streamlit sends for these files: their names contain a hash of their content."""

REFUSED = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*")


class Compressed:
    """ASGI middleware that answers GET and HEAD /static/… with gzip, if the client accepts it. Streamlit answers range requests."""

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
            "ETag": f'{plain.headers["etag"][:-1]}-gzip"',  # differs from that of the plain file, as the bytes do
        }
        if self.static.is_not_modified(Headers(headers), request_headers):
            return NotModifiedResponse(Headers(headers))
        body = await self._compress(path)
        return StreamingResponse(_pieces(body), headers={**headers, "Content-Length": str(len(body))})

    async def _compress(self, path: str) -> bytes:
        # One file at a time: a second request for the same file waits for it, and many requests use one core only.
        async with self.lock:
            if path not in self.bodies:
                self.bodies[path] = await run_in_threadpool(_gzip, FILES[path])
        return self.bodies[path]


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding allows gzip: it names it, with a quality other than 0."""
    for one in accepted.lower().split(","):
        name, _, quality = one.partition(";")
        if name.strip() == "gzip":
            return not REFUSED.fullmatch(quality)
    return False


def _gzip(file: Path) -> bytes:
    return gzip.compress(file.read_bytes(), LEVEL, mtime=0)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    """A large file would be copied into the memory of each connection whose client doesn't read it."""
    for start in range(0, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]


def _add_vary(send: Send) -> Send:
    async def send_with_vary(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).add_vary_header("Accept-Encoding")
        await send(message)

    return send_with_vary
