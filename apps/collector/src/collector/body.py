"""A request's body as bytes of JSON: its type, its encoding."""

import gzip
import io
import zlib
from typing import TYPE_CHECKING

from core.bodies import Share, read_body, too_large
from core.problems import Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

JSON_TYPES = frozenset({"application/json", "text/plain"})
NDJSON = "application/x-ndjson"


def media_type(environ: "WSGIEnvironment") -> str:
    """The body's media type.

    Raises:
        Problem: 415 if it is none that holds events.
    """
    sent: str = environ.get("CONTENT_TYPE", "")
    if sent == "application/json":
        return sent
    name, _, parameters = sent.partition(";")
    name = name.strip().lower()
    charset = parameters.partition("charset=")[2].strip(' "').lower()
    if name not in JSON_TYPES and name != NDJSON:
        wanted = "application/json, application/x-ndjson, or text/plain holding JSON"
        raise Problem(415, "unsupported_media_type", f"Content-Type must be {wanted}; it is {name or 'missing'}.")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise Problem(415, "unsupported_charset", f"The body must be UTF-8, not {charset[:40]}.")
    return name


def read_events(environ: "WSGIEnvironment", max_bytes: int, seconds: float, share: Share) -> bytes:
    """Read the body, decompressed.

    Raises:
        Problem: 400 if it isn't gzip as said, 415 if encoded otherwise, and what `core.bodies.read_body` raises.
    """
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in ("", "identity", "gzip"):
        raise Problem(415, "unsupported_encoding", f"Content-Encoding must be gzip or absent, not {encoding[:40]}.")
    raw = read_body(environ, max_bytes, seconds, share)
    if encoding == "gzip":
        raw = _gunzip(raw, max_bytes)
        share.grow(len(raw))
    return raw


def _gunzip(raw: bytes, max_bytes: int) -> bytes:
    """Decompress, never making more than `max_bytes` and a buffer: a small body can hold gigabytes."""
    try:
        body = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Problem(400, "invalid_gzip", f"Content-Encoding says gzip, but: {error}.") from None
    if len(body) > max_bytes:
        raise too_large(max_bytes)
    return body
