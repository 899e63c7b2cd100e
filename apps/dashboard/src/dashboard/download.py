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
from dashboard.sessions import SignedOutError
from dashboard.sign_in import session_of

PATH = "/download/events"
FORMATS = {"csv": "CSV", "ndjson": "NDJSON", "parquet": "Parquet"}
CHUNK_BYTES = 64 * 1024
PASSED_ON = ("Content-Type", "Content-Disposition")
PROBLEM = "application/problem+json"


def download(request: Request) -> Response:
    """The export with the same parameters; the query service's problem where it refuses, 502 where it doesn't answer."""
    try:
        session = session_of(request)
        ask = session.request if session else service.request
        export = ask("GET", "/events/export", params=request.query_params.multi_items())
    except SignedOutError:
        return _problem(401, "Unauthorized", "The sign-in has ended.")
    except service.RefusedError as refused:
        return JSONResponse(refused.problem, refused.status, media_type=PROBLEM)
    except service.AwayError:
        return _problem(502, "Bad Gateway", "The query service doesn't answer.")
    headers = {name: export.headers[name] for name in PASSED_ON if name in export.headers}
    return StreamingResponse(_chunks(export), headers=headers)


def _problem(status: int, title: str, detail: str) -> Response:
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(problem, status, media_type=PROBLEM)


def _chunks(export: requests.Response) -> Iterator[bytes]:
    with export:
        yield from export.iter_content(CHUNK_BYTES)


ROUTE = Route(PATH, download, methods=["GET"])
