"""Serves the tracker script for browsers (docs/browser.md): under a fixed name, and under a name with its content's hash.

`browser/tracker.js` is the source; `make tracker-js` makes `browser/tracker.min.js` from it. It also keeps the script of the
last release: pages may have pinned it.
"""

import base64
import gzip
import hashlib
from pathlib import Path
from typing import NamedTuple

from flask import Response, abort, request

from event_tracker.core.http.cors import ANY_ORIGIN
from event_tracker.core.http.routes import PUBLIC, Answer, Route

FOLDER = Path(__file__).parent
CONTENT_TYPE = "text/javascript; charset=utf-8"


class Script(NamedTuple):
    """One version of the tracker, plain and gzipped."""

    version: str
    plain: bytes
    packed: bytes

    @property
    def integrity(self) -> str:
        """The value of a page's `integrity` attribute."""
        return f"sha384-{base64.b64encode(hashlib.sha384(self.plain).digest()).decode()}"


def read_script(file: Path) -> Script:
    """Read a version from its file; its name is the first 8 hex digits of its SHA-256."""
    plain = file.read_bytes()
    return Script(hashlib.sha256(plain).hexdigest()[:8], plain, gzip.compress(plain, mtime=0))


def read_scripts(folder: Path) -> dict[str, Script]:
    """Read all versions in a folder; by name."""
    return {script.version: script for script in map(read_script, folder.glob("*.min.js"))}


NEWEST = read_script(FOLDER / "tracker.min.js")
SCRIPTS = read_scripts(FOLDER)


def newest_tracker() -> Response:
    """The newest tracker; browsers fetch it again each hour."""
    return _answer(NEWEST, "public, max-age=3600")


def versioned_tracker(version: str) -> Response:
    """The tracker of one version, which never changes."""
    return _answer(SCRIPTS.get(version) or abort(404), "public, max-age=31536000, immutable")


def _answer(script: Script, cache_control: str) -> Response:
    packed = request.accept_encodings.quality("gzip") > 0
    answer = Response(script.packed if packed else script.plain, content_type=CONTENT_TYPE)
    answer.headers["Cache-Control"] = cache_control
    # So pages with an `integrity` attribute, and pages isolated from other origins (COEP), may load it.
    answer.headers.add(*ANY_ORIGIN)
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer.headers["Vary"] = "Accept-Encoding"
    if packed:
        answer.headers["Content-Encoding"] = "gzip"
    answer.set_etag(f"{script.version}-gzip" if packed else script.version)
    answer.make_conditional(request)
    return answer


VERSION = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": "The first 8 hex digits of the script's SHA-256.",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{8}$"},
}
NONE_MATCH = {"name": "If-None-Match", "in": "header", "description": "An ETag.", "schema": {"type": "string"}}
ANSWERS = {
    200: Answer("The script.", {"type": "string"}, ("text/javascript",)),
    304: Answer("`If-None-Match` names what the sender has already."),
}

TRACKER = [
    Route("GET", "/tracker.js", newest_tracker, "The browser's tracker.", access=PUBLIC, tag="browser",
          parameters=[NONE_MATCH], answers=ANSWERS),
    Route("GET", "/tracker-<version>.js", versioned_tracker, "The same, cached for good.", access=PUBLIC, tag="browser",
          parameters=[VERSION, NONE_MATCH], answers=ANSWERS, problems={404: "This collector knows no such version."}),
]  # fmt: skip
