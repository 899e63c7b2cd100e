"""GET /events/live: streams new events as server-sent events (WHATWG HTML, section 9.2)."""

from collections import deque
from collections.abc import Callable, Iterator
from wsgiref.types import WSGIEnvironment

import gevent
import psycopg
import structlog
from flask import Response
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from event_tracker.core.background import BackgroundLoop
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.streams import Peer
from event_tracker.core.postgres.pool import UNAVAILABLE, is_connection_lost
from event_tracker.core.server.cooperation import yield_to_others
from event_tracker.query import metrics
from event_tracker.query.auth.calls import Call
from event_tracker.query.auth.guard import Guard
from event_tracker.query.auth.principal import ALLOWED_SOURCES
from event_tracker.query.concurrency import StreamSlots
from event_tracker.query.events.event_pages import StoredEvent
from event_tracker.query.events.parameters import EventQuery
from event_tracker.query.events.streams.live_filter import LiveFilter
from event_tracker.query.events.streams.live_tail import Tail, encode
from event_tracker.query.events.streams.parameters import read_live_query
from event_tracker.query.filters.matches import EventValues

log = structlog.get_logger("query.live")

POLL_SECONDS = 1.0
KEEP_ALIVE_SECONDS = 15.0
RETRY = b"retry: 2000\n\n"
"""Tells browsers to reconnect after 2000 ms. It is sent first, so that a client sees at once that it is connected."""

CHECK_SECONDS = 5.0
"""How often a client's credentials are checked again."""

KEEP_ALIVE = b": keep-alive\n\n"
BUFFER_EVENTS = 1000
BUFFER_BYTES = 4 * 2**20
"""The buffer of a client that reads slowly, in events and bytes. Further events are dropped, and counted."""

PART_BYTES = 64 * 2**10

BUSY = "As many clients as this instance tells of events at once are connected. Ask again when one has left."

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back until its buffer is full
}


class LiveClient:
    """A connected client: its filter, and the frames that it hasn't read yet.

    Attributes:
        links_version: of the hub, when the ids of its person were read.
    """

    def __init__(self, event_query: EventQuery) -> None:
        self.live_filter = LiveFilter(event_query)
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._ended = False
        self._wake = Event()
        self.links_version = -1

    def offer(self, frame: bytes) -> None:
        """Add an event to the client's buffer, or drop it if the buffer is full."""
        if len(self._frames) >= BUFFER_EVENTS or self._bytes + len(frame) > BUFFER_BYTES:
            self._dropped += 1
            metrics.LIVE_DROPPED.inc()
        else:
            self._report_dropped()
            self._append(frame)
            metrics.LIVE_SENT.inc()
        self._wake.set()

    def end(self) -> None:
        """End `parts`. Unread frames are discarded."""
        self._ended = True
        self._wake.set()

    def parts(self) -> Iterator[bytes]:
        """The parts of the response body, until `end` is called."""
        yield RETRY
        while not self._ended:
            if not self._frames:
                self._report_dropped()
            if self._frames:
                yield self._take_part()
            elif not self._wake.wait(KEEP_ALIVE_SECONDS):
                yield KEEP_ALIVE
            self._wake.clear()

    def _report_dropped(self) -> None:
        if self._dropped:
            self._append(b'event: dropped\ndata: {"count":%d}\n\n' % self._dropped)
            self._dropped = 0

    def _append(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._bytes += len(frame)

    def _take_part(self) -> bytes:
        frames = []
        size = 0
        while self._frames and size < PART_BYTES:
            frames.append(self._frames.popleft())
            size += len(frames[-1])
        self._bytes -= size
        return b"".join(frames)


class Hub:
    """Sends new events to all clients of the process. It polls the database once for all of them, and only while there are any."""

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._clients: set[LiveClient] = set()
        self._lock = BoundedSemaphore(1)
        self._loop: BackgroundLoop | None = None
        self._ended = False
        self._links_version = 0
        metrics.LIVE_CLIENTS.set_function(lambda: len(self._clients))

    def join(self, client: LiveClient) -> None:
        """Add a client: it gets the events that are committed from now on.

        Raises:
            Problem: 422 if its person has too many ids.
            psycopg.Error: if the database can't be reached.
        """
        # Nobody waits for a person who takes long. Links that change meanwhile are followed at the next event.
        version = self._links_version
        self._follow_links(client, version)
        with self._lock:
            if self._clients:
                self._broadcast()
            else:
                self._tail.begin()
            self._clients.add(client)
            if self._loop is None:
                self._loop = BackgroundLoop(
                    self._poll, POLL_SECONDS, lambda error: log.warning("can't ask for new events", error=str(error))
                )
        if self._ended:
            client.end()

    def leave(self, client: LiveClient) -> None:
        """Remove a client."""
        self._clients.discard(client)
        client.end()

    def end(self) -> None:
        """Disconnect all clients. They reconnect to another instance."""
        self._ended = True
        for client in list(self._clients):
            client.end()

    def _poll(self) -> None:
        """Send what is new. If that fails, clients stay connected and get it later."""
        with self._lock:
            if self._clients:
                self._broadcast()

    def _broadcast(self) -> None:
        for events in self._tail.read_new():
            if events:
                self._update_persons()
            for event in events:
                self._offer_to_matching(event)
            yield_to_others()

    def _update_persons(self) -> None:
        """Follow the links as they are now, if they have changed: each event is stored together with the links that it makes.

        A client whose person can't be read is disconnected: with the ids that were known, it would miss events and not know. It is
        told why when it connects again.
        """
        linked = [client for client in self._clients if client.live_filter.person]
        if linked and self._tail.have_links_changed():
            self._links_version += 1
        for client in linked:
            if client.links_version != self._links_version:
                try:
                    self._follow_links(client, self._links_version)
                except Problem:
                    self.leave(client)
                except psycopg.Error as error:
                    if is_connection_lost(error):
                        raise  # nothing can be read now, for anybody
                    log.warning("a person's ids can't be read", sqlstate=error.sqlstate)
                    self.leave(client)

    def _follow_links(self, client: LiveClient, version: int) -> None:
        person = client.live_filter.person
        if person:
            client.live_filter.user_ids = self._tail.read_ids(*person)
        client.links_version = version

    def _offer_to_matching(self, event: StoredEvent) -> None:
        frame = b""
        values = EventValues(event)
        for client in list(self._clients):
            if client.live_filter.selects(event, values):
                frame = frame or b"id: %b\nevent: event\ndata: %b\n\n" % (str(event.event_id).encode(), encode(event))
                client.offer(frame)


class Live:
    """What live streams work with. At most `most` clients are connected, each as long as the guard admits it."""

    def __init__(self, hub: Hub, most: int, guard: Guard) -> None:
        self.hub, self.guard = hub, guard
        self.slots = StreamSlots(most, BUSY)


def live_events(live: Live, call: Call) -> Response:
    client = LiveClient(read_live_query(call))
    release = live.slots.acquire(call.principal)
    try:
        live.hub.join(client)
    except BaseException:
        release()
        raise
    peer = Peer(call.environ)
    watch = gevent.spawn(_watch_connection, peer, client)
    checking = gevent.spawn(_recheck_access, live.guard, call.environ, client)
    response = Response(client.parts(), headers=HEADERS)
    ends: list[Callable[[], object]] = [watch.kill, checking.kill, lambda: live.hub.leave(client), peer.close, release]
    for end in ends:
        response.call_on_close(end)
    return response


def _recheck_access(guard: Guard, environ: WSGIEnvironment, client: LiveClient) -> None:
    """End the stream soon after its credentials become invalid or change. A client that may still connect does so by itself."""
    sources = environ[ALLOWED_SOURCES]
    while True:
        gevent.sleep(CHECK_SECONDS)
        try:
            guard(environ)
        except Problem:
            break
        except UNAVAILABLE:
            continue  # the credentials can't be checked now, but no new events can be read either
        if environ[ALLOWED_SOURCES] != sources:
            break
    client.end()


def _watch_connection(peer: Peer, client: LiveClient) -> None:
    """End the stream as soon as the client disconnects, not at the next event."""
    peer.wait()
    if peer.has_left():
        client.end()
