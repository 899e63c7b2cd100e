"""The connections of a process: what each waits for, the turns of their requests, and the bodies that they send."""

import socket
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from wsgiref.types import WSGIEnvironment

import gevent
from gevent.event import Event
from gevent.hub import Waiter
from greenlet import greenlet

from event_tracker.core.http.closing import Awaited, Wait, longest_waiting, shut_down
from event_tracker.core.http.errors import Problem, body_too_large, given_up
from event_tracker.core.http.memory_budget import BODY_BYTES, UNCOUNTED_BYTES, reservation_of

CONNECTIONS = "core.connections"
"""environ key: the worker's Connections."""

PIECE_BYTES = 32 * 1024
"""Bytes that are read at once."""

ACCEPTED = 2
"""How many times as many connections are accepted as are served at once. The kernel's queue is first come, first served. Of those
that are accepted, urgent requests come first, and those that wait longest for their client are closed."""

FREE_FRACTION = 0.125
"""The fraction of all connections that is kept free for new ones. As many are closed at once."""

SLICE_SECONDS = 0.005
"""How long requests are worked on before the event loop looks at sockets and timers again."""


class Connections:
    """Tracks the connections. One greenlet serves each, and reports what it waits for.

    So that a new client is served soon whatever all others do, no connection is kept for as long as its client likes: those that
    wait for a request, a body or a reader are closed when few are free; if hardly any can be accepted, those that wait for
    their turn are, too, and answers close theirs.

    Args:
        most: how many are served at once.

    Attributes:
        most_accepted: how many there may be, with those that wait for their turn.
        closed: how many were closed so that others could connect.
        crowded: set while few are free.
        scheduler: gives the requests their turns.
    """

    def __init__(self, most: int) -> None:
        self.closed = 0
        self.crowded = Event()
        self.most_accepted = ACCEPTED * most
        self._most = most
        self._kept_free = max(1, int(most * FREE_FRACTION))
        self.scheduler = RequestScheduler(max(1, most - self._kept_free))
        self._clients: dict[greenlet, socket.socket] = {}
        self._waiting: dict[greenlet, Wait] = {}  # oldest first
        self._closing: set[greenlet] = set()

    def add(self, client: socket.socket) -> None:
        """Register a connection that the current greenlet serves."""
        self._clients[gevent.getcurrent()] = client
        self.free_connections()

    def remove(self) -> None:
        """Forget the connection of the current greenlet."""
        current = gevent.getcurrent()
        self._waiting.pop(current, None)
        self._closing.discard(current)
        del self._clients[current]
        if self.crowded.is_set() and not self._few_are_free():
            self.crowded.clear()

    def is_full(self) -> bool:
        """Whether hardly any more can be accepted. Then answers must close their connections, also those that are in use always."""
        return len(self._clients) - len(self._closing) + self._kept_free > self.most_accepted

    def wait_for(self, awaited: Awaited) -> None:
        """The current greenlet waits for its client from now on, until `stop_waiting`."""
        current = gevent.getcurrent()
        self._waiting.pop(current, None)  # so that it comes last
        self._waiting[current] = time.monotonic(), awaited

    def stop_waiting(self) -> None:
        """What the current greenlet waited for has arrived, or isn't waited for any more."""
        self._waiting.pop(gevent.getcurrent(), None)

    def was_closed_here(self) -> bool:
        """Whether we closed the connection of the current greenlet to free it for others."""
        return gevent.getcurrent() in self._closing

    def close_idle(self) -> None:
        """Close the connections that wait for a request, or for the rest of its head."""
        self._shut_down({one: "request" for one, awaited in longest_waiting(self._waiting) if awaited == "request"})

    def free_connections(self) -> None:
        """If few connections are free, close some of those that have waited longest for what their client doesn't do.

        So clients that send or read nothing, or a byte now and then, don't keep others out.
        """
        if not self._few_are_free():
            return
        self.crowded.set()
        idle = [self._waiting, self.scheduler.waiting] if self.is_full() else [self._waiting]
        waiting = ((one, awaited) for one, awaited in longest_waiting(*idle) if one not in self._closing)
        # `islice`, not a whole dict: this runs for every new connection.
        chosen = dict(islice(waiting, self._kept_free))
        self._closing.update(chosen)
        self._shut_down(chosen)
        self.closed += len(chosen)

    def _few_are_free(self) -> bool:
        return len(self._clients) - len(self._closing) + self._kept_free > self._most

    def _shut_down(self, chosen: Mapping[greenlet, Awaited]) -> None:
        for one, awaited in chosen.items():
            if awaited == "turn":
                self.scheduler.refuse(one)
                continue
            with suppress(KeyError, OSError):
                shut_down(self._clients[one], awaited)


class RequestScheduler:
    """Gives turns to requests, in the order in which they came. A process that isn't busy gives them at once.

    With turns, the event loop accepts connections and reads heads while many requests could go on. So urgent requests, which take
    no turn, are answered soon.

    Args:
        most: requests in progress at once.

    Attributes:
        waiting: what waits for a turn, oldest first.
    """

    def __init__(self, most: int) -> None:
        self.waiting: dict[greenlet, Wait] = {}
        self._most = most
        self._in_progress: set[greenlet] = set()
        self._waiters: dict[greenlet, Waiter[bool]] = {}
        self._paused: deque[Waiter[None]] = deque()
        self._is_scheduled = False

    def take(self) -> bool:
        """Wait for the current greenlet's turn. `end` ends it.

        Returns:
            False if it was refused meanwhile.
        """
        current = gevent.getcurrent()
        if not self.waiting and not self._is_busy() and self._may_start():
            self._in_progress.add(current)
            return True
        waiter = self._waiters[current] = Waiter()
        self.waiting[current] = time.monotonic(), "turn"
        self._schedule()
        try:
            return waiter.get()
        finally:
            self.waiting.pop(current, None)
            self._waiters.pop(current, None)

    def pause(self) -> None:
        """Let others go on if the event loop has been busy for a slice. The current greenlet keeps its turn."""
        if self._is_busy():
            waiter: Waiter[None] = Waiter()
            self._paused.append(waiter)
            self._schedule()
            waiter.get()

    def end(self) -> None:
        """End the turn of the current greenlet, if it has one."""
        self._in_progress.discard(gevent.getcurrent())
        self._schedule()

    def resume(self) -> None:
        """Take the turn again that the current greenlet ended to wait for its client."""
        self._in_progress.add(gevent.getcurrent())
        self.pause()

    def refuse(self, one: greenlet) -> None:
        """Refuse a turn to a greenlet that waits for one."""
        del self.waiting[one]
        gevent.get_hub().loop.run_callback(self._waiters.pop(one).switch, False)

    def _is_busy(self) -> bool:
        return bool(self._paused) or abs(time.time() - gevent.get_hub().loop.now()) > SLICE_SECONDS

    def _may_start(self) -> bool:
        return len(self._in_progress) < self._most

    def _schedule(self) -> None:
        """Resume those that may go on, as soon as the event loop has looked at sockets."""
        if not self._is_scheduled and (self._paused or (self.waiting and self._may_start())):
            self._is_scheduled = True
            # A timer, and not a callback: the event loop looks at sockets before it.
            self._timer = gevent.get_hub().loop.timer(0)
            self._timer.start(self._resume)

    def _resume(self) -> None:
        """Resume greenlets for one slice. It runs in the event loop, where each of them returns to when it waits or ends."""
        began = time.perf_counter()
        while time.perf_counter() - began < SLICE_SECONDS:
            if self._paused:
                self._paused.popleft().switch(None)
            elif self.waiting and self._may_start():
                one = next(iter(self.waiting))
                del self.waiting[one]
                self._in_progress.add(one)
                self._waiters.pop(one).switch(True)
            else:
                break
        self._timer.stop()
        self._timer.close()
        self._is_scheduled = False
        self._schedule()


def read_body(environ: WSGIEnvironment, max_bytes: int, seconds: float) -> bytes:
    """Read the body, as it was sent.

    Raises:
        Problem: 400 if it breaks off or its chunked encoding is invalid, 408 if it is slow, 413 if it is large, 503 if the memory
            budget is used up, or if the connection was closed to free it for others.
    """
    length = environ.get("CONTENT_LENGTH")
    size = int(length) if length else None
    if size is not None and size > max_bytes:
        raise body_too_large(max_bytes)
    connections: Connections = environ[CONNECTIONS]
    connections.wait_for("body")
    connections.scheduler.end()  # another request may have its turn meanwhile
    slow = gevent.Timeout.start_new(seconds)
    try:
        raw = _read(environ, max_bytes + 1 if size is None else size)
    except gevent.Timeout as timeout:
        if timeout is not slow:
            raise
        raise Problem(408, "slow_body", f"The body did not arrive within {seconds:g} s.") from None
    except OSError:  # also the server's error for a chunk that breaks off
        raise _broken_off("The body broke off.", connections) from None
    finally:
        slow.close()
        connections.stop_waiting()
        connections.scheduler.resume()
    if len(raw) > max_bytes:
        raise body_too_large(max_bytes)
    if size is not None and len(raw) < size:
        raise _broken_off(f"The body broke off: {len(raw)} of {size} bytes arrived.", connections)
    return raw


def _broken_off(detail: str, connections: Connections) -> Problem:
    if connections.was_closed_here():
        return given_up()
    return Problem(400, "incomplete_body", detail)


def _read(environ: WSGIEnvironment, most: int) -> bytes:
    pieces = []
    size = 0
    while size < most and (piece := environ["wsgi.input"].read(min(PIECE_BYTES, most - size))):
        pieces.append(piece)
        size += len(piece)
        if size > UNCOUNTED_BYTES:
            reservation_of(environ).grow(size)
    environ[BODY_BYTES] = size
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
