"""GET /download/events: the query service's export, handed through to the browser.

So the browser needs the dashboard alone: the query service may stay where only the dashboard reaches it. A chunk at a time is
held, whatever the export's size. An export that breaks off breaks off here, too, so that no half file looks whole.
"""

from collections.abc import Iterator

import requests
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dashboard import service

PATH = "/download/events"
FORMATS = {"csv": "CSV", "ndjson": "NDJSON", "parquet": "Parquet"}
CHUNK_BYTES = 64 * 1024
PASSED_ON = ("Content-Type", "Content-Disposition")
PROBLEM = "application/problem+json"


def download(request: Request) -> Response:
    """The export with the same parameters; the query service's problem where it refuses, 502 where it doesn't answer."""
    try:
        export = service.request("GET", "/events/export", params=request.query_params.multi_items())
    except service.RefusedError as refused:
        return JSONResponse(refused.problem, refused.status, media_type=PROBLEM)
    except service.AwayError:
        away = {
            "type": "about:blank",
            "title": "Bad Gateway",
            "status": 502,
            "detail": "The query service doesn't answer.",
        }
        return JSONResponse(away, 502, media_type=PROBLEM)
    headers = {name: export.headers[name] for name in PASSED_ON if name in export.headers}
    return StreamingResponse(_chunks(export), headers=headers)


def _chunks(export: requests.Response) -> Iterator[bytes]:
    with export:
        yield from export.iter_content(CHUNK_BYTES)


ROUTE = Route(PATH, download, methods=["GET"])
