"""GET /events/export: all events of a filter, streamed."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import chain

import gevent
import structlog
from flask import Blueprint, Response, request

from core.front import REQUEST_ID
from core.streams import BrokenOffError, Peer
from query import metrics
from query.formats import FORMATS, GZIPPED, Gzip, Rows
from query.shared import Places
from query.slices import Slices
from query.sources import reading_of
from query.stream_schemas import read_export

log = structlog.get_logger("query.export")

BATCH = 500
"""Rows that are encoded before other questions may go on."""

FINISH_SECONDS = 10.0
"""How long an export may go on when the service stops: its process has a little longer."""

BUSY = "As many exports as this instance streams at once are under way. Ask again when one has ended."


def exporting(slices: Slices, most: int, is_draining: Callable[[], bool]) -> Blueprint:
    """The route; `most` exports are streamed at once."""
    blueprint = Blueprint("export", __name__)
    places = Places(most, BUSY)

    @blueprint.get("/events/export")
    def export_events() -> Response:
        asked = read_export(reading_of(request.environ))
        if asked.format == "parquet" and "pyarrow.parquet" not in sys.modules:
            # It takes a second, or several from a cold disk. In a thread of its own nobody else waits for it.
            gevent.get_hub().threadpool.apply(import_module, ("pyarrow.parquet",))
        give_back = places.take()
        peer = Peer(request.environ)
        parts = _encoded(slices.pages(asked.asked, asked.limit), asked.format)
        gzipped = asked.format in GZIPPED and request.accept_encodings.quality("gzip") > 0
        if gzipped:
            parts = _gzipped(parts)
        try:
            first = next(parts)  # what is wrong until here can still be told with a status
        except BaseException:
            peer.close()
            give_back()
            raise
        body = _watched(chain([first], parts), asked.format, peer, is_draining, request.environ[REQUEST_ID])
        response = Response(body, headers=_headers(asked.format, gzipped))
        response.call_on_close(peer.close)
        response.call_on_close(give_back)
        return response

    return blueprint


def _headers(name: str, gzipped: bool) -> dict[str, str]:
    headers = {
        "Content-Type": FORMATS[name].content_type,
        "Content-Disposition": f'attachment; filename="events.{name}"',
        "Cache-Control": "no-store",
    }
    if name in GZIPPED:
        headers["Vary"] = "Accept-Encoding"
    if gzipped:
        headers["Content-Encoding"] = "gzip"
    return headers


def _encoded(pages: Iterable[Rows], name: str) -> Iterator[bytes]:
    """Parts of the body, the first of them when the first page is there; one may be empty."""
    encoder = FORMATS[name]()
    exported = metrics.EVENTS_EXPORTED.labels(name)
    before = encoder.head()
    for page in pages:
        for start in range(0, max(1, len(page)), BATCH):
            rows = page[start : start + BATCH]
            yield before + encoder.rows(rows)
            before = b""
            exported.inc(len(rows))
    yield before + encoder.tail()


def _gzipped(parts: Iterable[bytes]) -> Iterator[bytes]:
    gzip = Gzip()
    for part in parts:
        yield gzip.compress(part) + gzip.flush()
    yield gzip.finish()


def _watched(
    parts: Iterable[bytes], name: str, peer: Peer, is_draining: Callable[[], bool], request_id: str
) -> Iterator[bytes]:
    """The parts, until the client has left, or the service must stop, or something fails.

    Raises:
        BrokenOffError: for all of those: the body isn't whole.
    """
    outcome = "left"
    stops_at = None
    try:
        for part in parts:
            yield part
            gevent.sleep(0)
            if is_draining():
                stops_at = stops_at or time.monotonic() + FINISH_SECONDS
            if peer.has_left() or (stops_at and time.monotonic() > stops_at):
                break
        else:
            outcome = "finished"
    except Exception:
        outcome = "failed"
        log.exception("an export broke off", request_id=request_id)
    finally:
        metrics.EXPORTS.labels(name, outcome).inc()
    if outcome != "finished":
        raise BrokenOffError
