"""Streams files to clients, optionally compressed, until the client disconnects or the service stops."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import structlog
from flask import Response, request

from event_tracker.core.http.middleware import REQUEST_ID
from event_tracker.core.http.streams import BrokenOffError, Peer
from event_tracker.core.server.cooperation import yield_to_others
from event_tracker.query import metrics
from event_tracker.query.auth.principal import principal_of
from event_tracker.query.concurrency import StreamSlots
from event_tracker.query.events.streams.formats import Gzip

log = structlog.get_logger("query.export")

FINISH_SECONDS = 10.0
"""How long an export may continue when the service stops. The process stops a little later."""

BUSY = "As many exports as this instance streams at once are under way. Ask again when one has ended."


class Downloads:
    """Streams files, `most` at once.

    Args:
        is_draining: whether the service is about to stop.
    """

    def __init__(self, most: int, is_draining: Callable[[], bool]) -> None:
        self._slots = StreamSlots(most, BUSY)
        self._is_draining = is_draining

    def stream(self, parts: Iterator[bytes], *, kind: str, name: str, content_type: str, gzips: bool) -> Response:
        """The response that streams these parts. The first part is read only if a slot is free.

        Args:
            kind: its label in metrics.
            gzips: whether it is compressed for clients that accept gzip.

        Raises:
            Problem: 503 if no slot is free, 429 if the client has reached its own limit.
            Exception: whatever the first part raises: before it is sent, the response can still have an error status.
        """
        release = self._slots.acquire(principal_of(request.environ))
        peer = Peer(request.environ)
        gzipped = gzips and request.accept_encodings.quality("gzip") > 0
        if gzipped:
            parts = _compress(parts)
        try:
            first = next(parts)
        except BaseException:
            peer.close()
            release()
            raise
        headers = {
            "Content-Type": content_type,
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        }
        if gzips:
            headers["Vary"] = "Accept-Encoding"
        if gzipped:
            headers["Content-Encoding"] = "gzip"
        body = _stream_parts(chain([first], parts), kind, peer, self._is_draining, request.environ[REQUEST_ID])
        response = Response(body, headers=headers)
        response.call_on_close(peer.close)
        response.call_on_close(release)
        return response


def _compress(parts: Iterable[bytes]) -> Iterator[bytes]:
    gzip = Gzip()
    for part in parts:
        yield gzip.compress(part) + gzip.flush()
    yield gzip.finish()


def _stream_parts(
    parts: Iterable[bytes], kind: str, peer: Peer, is_draining: Callable[[], bool], request_id: str
) -> Iterator[bytes]:
    """The parts, until the client disconnects, the service stops, or an error occurs.

    Raises:
        BrokenOffError: in each of these cases: the body is incomplete.
    """
    outcome = "left"
    stops_at = None
    try:
        for part in parts:
            yield part
            yield_to_others()
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
        metrics.EXPORTS.labels(kind, outcome).inc()
    if outcome != "finished":
        raise BrokenOffError
