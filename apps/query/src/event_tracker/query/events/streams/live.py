"""GET /events/live: what is stored, as it is stored, as server-sent events (WHATWG HTML, section 9.2)."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import gevent
import structlog
from flask import Blueprint, Response, request
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.streams import Peer
from event_tracker.core.postgres.pool import UNAVAILABLE
from event_tracker.core.server.cooperation import yield_to_others
from event_tracker.query import metrics
from event_tracker.query.auth.guard import Guard
from event_tracker.query.auth.principal import ALLOWED_SOURCES, principal_of
from event_tracker.query.concurrency import StreamSlots
from event_tracker.query.events.filters import EventFilter
from event_tracker.query.events.responses import StoredEvent
from event_tracker.query.events.streams.live_filter import matches
from event_tracker.query.events.streams.live_tail import Tail, encode
from event_tracker.query.events.streams.parameters import read_live_filter
from event_tracker.query.source_scope import reading_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = structlog.get_logger("query.live")

POLL_SECONDS = 1.0
KEEP_ALIVE_SECONDS = 15.0
RETRY = b"retry: 2000\n\n"
"""Milliseconds after which a browser comes back. It is the first thing that is sent, so that a client sees at once that it is heard."""

CHECK_SECONDS = 5.0
"""How often it is asked whether a client may still listen."""

KEEP_ALIVE = b": keep-alive\n\n"
BUFFER_EVENTS = 1000
BUFFER_BYTES = 4 * 2**20
"""What is kept for a client who doesn't read: so many events, or so many bytes. What comes then is dropped, and counted."""

PART_BYTES = 64 * 2**10

BUSY = "As many clients as this instance tells of events at once are connected. Ask again when one has left."

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back until its buffer is full
}


class Client:
    """One client: what it wants to be told, and what it hasn't been told yet."""

    def __init__(self, asked: EventFilter) -> None:
        self.asked = asked
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._ended = False
        self._wake = Event()

    def offer(self, frame: bytes) -> None:
        """Put an event before the client, unless it has left too many unread."""
        if len(self._frames) >= BUFFER_EVENTS or self._bytes + len(frame) > BUFFER_BYTES:
            self._dropped += 1
            metrics.LIVE_DROPPED.inc()
        else:
            self._tell_dropped()
            self._append(frame)
            metrics.LIVE_SENT.inc()
        self._wake.set()

    def end(self) -> None:
        """Let `parts` end, what is unread aside."""
        self._ended = True
        self._wake.set()

    def parts(self) -> Iterator[bytes]:
        """What to write, until the end."""
        yield RETRY
        while not self._ended:
            if not self._frames:
                self._tell_dropped()
            if self._frames:
                yield self._some()
            elif not self._wake.wait(KEEP_ALIVE_SECONDS):
                yield KEEP_ALIVE
            self._wake.clear()

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._append(b'event: dropped\ndata: {"count":%d}\n\n' % self._dropped)
            self._dropped = 0

    def _append(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._bytes += len(frame)

    def _some(self) -> bytes:
        taken = []
        size = 0
        while self._frames and size < PART_BYTES:
            taken.append(self._frames.popleft())
            size += len(taken[-1])
        self._bytes -= size
        return b"".join(taken)


class Hub:
    """Tells all clients of one process what is stored. It asks the database only while there are any, for all of them."""

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._clients: set[Client] = set()
        self._asking = BoundedSemaphore(1)
        self._poller: gevent.Greenlet[..., None] | None = None
        self._ended = False
        metrics.LIVE_CLIENTS.set_function(lambda: len(self._clients))

    def join(self, client: Client) -> None:
        """Tell the client of what is committed from now on.

        Raises:
            psycopg.Error: if the database can't be asked where that is.
        """
        with self._asking:
            if self._clients:
                self._spread()
            else:
                self._tail.begin()
            if self._poller is None or self._poller.ready():
                self._poller = gevent.spawn(self._run)
            self._clients.add(client)
        if self._ended:
            client.end()

    def leave(self, client: Client) -> None:
        """Tell the client no more."""
        self._clients.discard(client)
        client.end()

    def end(self) -> None:
        """Let all clients go: another instance tells them."""
        self._ended = True
        for client in list(self._clients):
            client.end()

    def _run(self) -> None:
        well = True
        while True:
            gevent.sleep(POLL_SECONDS)
            with self._asking:
                if not self._clients:
                    return
                try:
                    self._spread()
                    well = True
                except Exception as error:  # whatever it is, the clients stay, and are told when it is over
                    if well or not isinstance(error, UNAVAILABLE):
                        log.warning("can't ask for new events", error=str(error))
                    well = False

    def _spread(self) -> None:
        for events in self._tail.fresh():
            for event in events:
                self._offer(event)
            yield_to_others()

    def _offer(self, event: StoredEvent) -> None:
        frame = b""
        for client in list(self._clients):
            if matches(event, client.asked):
                frame = frame or b"id: %b\nevent: event\ndata: %b\n\n" % (str(event.event_id).encode(), encode(event))
                client.offer(frame)


def live_routes(hub: Hub, most: int, guard: Guard) -> Blueprint:
    """The route; `most` clients are told at once, each as long as the guard lets it in."""
    blueprint = Blueprint("live", __name__)
    slots = StreamSlots(most, BUSY)

    @blueprint.get("/events/live")
    def live_events() -> Response:
        client = Client(read_live_filter(reading_of(request.environ)))
        give_back = slots.take(principal_of(request.environ))
        try:
            hub.join(client)
        except BaseException:
            give_back()
            raise
        peer = Peer(request.environ)
        watch = gevent.spawn(_watch, peer, client)
        checking = gevent.spawn(_check, guard, request.environ, client)
        response = Response(client.parts(), headers=HEADERS)
        ends: list[Callable[[], object]] = [watch.kill, checking.kill, lambda: hub.leave(client), peer.close, give_back]
        for end in ends:
            response.call_on_close(end)
        return response

    return blueprint


def _check(guard: Guard, environ: "WSGIEnvironment", client: Client) -> None:
    """End the stream soon after its credentials have: who may still listen comes back by itself."""
    sources = environ[ALLOWED_SOURCES]
    while True:
        gevent.sleep(CHECK_SECONDS)
        try:
            guard(environ)
        except Problem:
            break
        except UNAVAILABLE:
            continue  # nobody can tell, and nothing new is told either
        if environ[ALLOWED_SOURCES] != sources:
            break
    client.end()


def _watch(peer: Peer, client: Client) -> None:
    """End the stream as soon as the client hangs up, not when the next event is written."""
    peer.wait()
    if peer.has_left():
        client.end()
