"""GET /download/events: passes the query service's export on to the browser.

So browsers needn't reach the query service. One chunk at a time is in memory, whatever the export's size. If the export breaks
off, so does the download: an incomplete file must not look complete.

People open CSV with a spreadsheet. So it begins with a byte order mark, without which Excel doesn't recognise UTF-8. And it has
no formulas, since clients that send events choose their texts.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator

import requests
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from event_tracker.dashboard.auth.browser_sign_ins import SignedOutError
from event_tracker.dashboard.auth.sign_in import sign_in_of
from event_tracker.dashboard.client import service

PATH = "/download/events"
FORMATS = {"csv": "CSV", "ndjson": "NDJSON", "parquet": "Parquet"}
CHUNK_BYTES = 64 * 1024
PASSED_ON = ("Content-Type", "Content-Disposition")
PROBLEM = "application/problem+json"

FORMULA = re.compile(r"[=+\-@\t\r\n]")
"""The first character of a text that a spreadsheet may treat as a formula (OWASP, "CSV Injection")."""

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")

LONGEST_VALUE = 2**30
"""The process sets `csv.field_size_limit` to this number of characters: by default Python refuses a value of 128 KiB."""

ROWS = 1000
"""The number of CSV rows that are written at once."""


def download(request: Request) -> Response:
    """Answer with the export for the same parameters, or the query service's problem, or 502 if it doesn't answer."""
    try:
        signed_in = sign_in_of(request)
        ask = signed_in.request if signed_in else service.request
        export = ask("GET", "/events/export", params=request.query_params.multi_items())
    except SignedOutError:
        return _problem(401, "Unauthorized", "The sign-in has ended.")
    except service.RefusedError as refused:
        return JSONResponse(refused.problem, refused.status, media_type=PROBLEM)
    except service.UnavailableError:
        return _problem(502, "Bad Gateway", "The query service doesn't answer.")
    headers = {name: export.headers[name] for name in PASSED_ON if name in export.headers}
    chunks = _chunks(export)
    is_csv = headers.get("Content-Type", "").startswith("text/csv")
    return StreamingResponse(for_spreadsheets(chunks) if is_csv else chunks, headers=headers)


def _problem(status: int, title: str, detail: str) -> Response:
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(problem, status, media_type=PROBLEM)


def _chunks(export: requests.Response) -> Iterator[bytes]:
    with export:
        yield from export.iter_content(CHUNK_BYTES)


def for_spreadsheets(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Convert CSV in UTF-8: add a byte order mark, and an apostrophe before each text that could be a formula."""
    yield codecs.BOM_UTF8
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for number, row in enumerate(csv.reader(_lines(chunks)), 1):
        writer.writerow(map(_neutral, row))
        if number % ROWS == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Split into lines with their ends, for csv.reader. A line may end within a quoted value."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    held: list[str] = []
    for chunk in chunks:
        *whole, rest = decode(chunk).split("\n")
        for line in whole:
            yield "".join([*held, line, "\n"])
            held = []
        held.append(rest)
    if any(held):
        yield "".join(held)


def _neutral(value: str) -> str:
    return f"'{value}" if FORMULA.match(value) and not NUMBER.fullmatch(value) else value


ROUTE = Route(PATH, download, methods=["GET"])
