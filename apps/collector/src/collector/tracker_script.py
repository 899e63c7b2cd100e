"""The browser's tracker (docs/browser.md): served under a name that stays, and under one that has its content's hash in it.

`browser/tracker.js` is written by people, `browser/tracker.min.js` made from it by `make tracker-js`.
"""

import base64
import gzip
import hashlib
from pathlib import Path

from flask import Blueprint, Response, abort, request

from core.cors import ANY_ORIGIN
from core.openapi import Document

SCRIPT = (Path(__file__).parent / "browser" / "tracker.min.js").read_bytes()
SCRIPT_GZIP = gzip.compress(SCRIPT, mtime=0)
VERSION = hashlib.sha256(SCRIPT).hexdigest()[:8]
INTEGRITY = f"sha384-{base64.b64encode(hashlib.sha384(SCRIPT).digest()).decode()}"
"""What a page's `integrity` attribute says of this version."""

CONTENT_TYPE = "text/javascript; charset=utf-8"

blueprint = Blueprint("tracker_script", __name__)


@blueprint.get("/tracker.js")
def newest_tracker() -> Response:
    """The tracker, which browsers ask for again each hour."""
    return _answer("public, max-age=3600")


@blueprint.get("/tracker-<version>.js")
def versioned_tracker(version: str) -> Response:
    """The tracker of one version, which never changes."""
    if version != VERSION:
        abort(404)
    return _answer("public, max-age=31536000, immutable")


def _answer(cache_control: str) -> Response:
    packed = request.accept_encodings.quality("gzip") > 0
    answer = Response(SCRIPT_GZIP if packed else SCRIPT, content_type=CONTENT_TYPE)
    answer.headers["Cache-Control"] = cache_control
    # Pages that ask for its integrity, or that are isolated from other origins (COEP), may load it.
    answer.headers.add(*ANY_ORIGIN)
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer.headers["Vary"] = "Accept-Encoding"
    if packed:
        answer.headers["Content-Encoding"] = "gzip"
    answer.set_etag(f"{VERSION}-gzip" if packed else VERSION)
    answer.make_conditional(request)
    return answer


def describe(document: Document) -> None:
    """Add both paths to the document."""
    version = {
        "name": "version",
        "in": "path",
        "required": True,
        "description": "The first 8 hex digits of the script's SHA-256.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{8}$"},
    }
    _describe_one(document, "/tracker.js", "newest_tracker", "The browser's tracker.", [])
    _describe_one(document, "/tracker-{version}.js", "versioned_tracker", "The same, cached for good.", [version])


def _describe_one(document: Document, path: str, name: str, summary: str, parameters: list[dict[str, object]]) -> None:
    none_match = {"name": "If-None-Match", "in": "header", "description": "An ETag.", "schema": {"type": "string"}}
    script = {"description": "The script.", "content": {"text/javascript": {"schema": {"type": "string"}}}}
    operation = {
        "operationId": name,
        "tags": ["browser"],
        "summary": summary,
        "parameters": [*parameters, none_match],
        "responses": {"200": script, "304": {"description": "`If-None-Match` names what the sender has already."}},
    }
    document.path(path, "get", operation, {404: "It isn't this collector's version."} if parameters else None)
