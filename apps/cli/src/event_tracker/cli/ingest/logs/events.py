"""Makes an event of a request."""

import re
from typing import Any

from event_tracker.cli.ingest.logs.request import Request

ASSET = re.compile(r"\.(?:avif|bmp|css|eot|gif|ico|jpe?g|js|map|mjs|otf|png|svg|ttf|webp|woff2?)$", re.IGNORECASE)


def make_event(request: Request) -> dict[str, Any] | None:
    """An event as `POST /events` takes it; None if the request isn't to be stored. The visitor's address becomes the user."""
    properties = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "request": request.malformed,
        "host": request.host,
        "user": request.user,
        "referrer": request.referrer,
        "user_agent": request.user_agent,
        "status": request.status,
        "bytes": request.bytes,
    }
    return {
        "user_id": request.address or "-",
        "event_type": event_type(request.method, request.path or "", request.status),
        "timestamp": request.time.isoformat(),
        "properties": {name: value for name, value in properties.items() if value is not None},
    }


def event_type(method: str | None, path: str, status: int | None) -> str:
    """The event type. 4xx and 5xx: `http_error`. GET: `asset` (image, style, script, font) or `page_view`. Else `http_post` etc."""
    if method is None or status == 0 or (status is not None and status >= 400):
        return "http_error"
    if method != "GET":
        return f"http_{method.lower()}"
    return "asset" if ASSET.search(path) else "page_view"
