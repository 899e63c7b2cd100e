"""The connections of a process: what each waits for, and which are closed when few are free."""

import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from heapq import merge
from itertools import islice
from operator import itemgetter

import gevent
from gevent.event import Event
from greenlet import greenlet

from event_tracker.core.http.request_scheduler import RequestScheduler

ACCEPTED = 2
"""How many times as many connections are accepted as are served at once. The kernel's queue is first come, first served. Of those
that are accepted, urgent requests come first, and those that wait longest for their client are closed."""

IDLE_SECONDS = 0.25
"""A connection that has waited this long may be closed; on a younger one, a request or its body is probably on its way."""

SEND_BUFFER_BYTES = 64 * 1024
"""Bytes of answers that the kernel keeps for one connection until its client reads them. By itself it would take up to 4 MB, which
count towards a container's memory, and which the memory budget doesn't know of."""

DISCARD = struct.pack("ii", 1, 0)
"""SO_LINGER: what the client hasn't read is discarded when its connection is closed. The kernel would keep it."""

FREE_FRACTION = 0.125
"""The fraction of all connections that is kept free for new ones. As many are closed at once."""


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
        self.scheduler = RequestScheduler(max(1, most - self._kept_free), lambda: len(self._for_body))
        self._clients: dict[greenlet, socket.socket] = {}
        # Since when each waits, oldest first.
        self._for_request: dict[greenlet, float] = {}
        self._for_body: dict[greenlet, float] = {}
        self._for_reader: dict[greenlet, float] = {}
        self._closing: set[greenlet] = set()

    def add(self, client: socket.socket) -> None:
        """Register a connection that the current greenlet serves."""
        self._clients[gevent.getcurrent()] = client
        self.free_connections()

    def remove(self) -> None:
        """Forget the connection of the current greenlet."""
        current = gevent.getcurrent()
        self._for_request.pop(current, None)
        self._closing.discard(current)
        del self._clients[current]
        if self.crowded.is_set() and not self._few_are_free():
            self.crowded.clear()

    def is_full(self) -> bool:
        """Whether hardly any more can be accepted. Then answers must close their connections, also those that are in use always."""
        return len(self._clients) - len(self._closing) + self._kept_free > self.most_accepted

    def wait_for_request(self) -> None:
        """The current greenlet waits for a request, or for the rest of its head, from now on."""
        _wait(self._for_request)

    def begin_request(self) -> None:
        """The head of a request has arrived."""
        self._for_request.pop(gevent.getcurrent(), None)

    def wait_for_body(self) -> None:
        """The current greenlet waits for a body from now on, until `end_body`. Another request may have its turn meanwhile."""
        _wait(self._for_body)
        self.scheduler.schedule()

    def end_body(self) -> None:
        """The body has arrived, or isn't waited for any more."""
        self._for_body.pop(gevent.getcurrent(), None)

    def wait_for_reader(self) -> None:
        """The current greenlet waits until its client reads more of an answer, until `end_answer`."""
        _wait(self._for_reader)

    def end_answer(self) -> None:
        """The answer was sent, or won't be."""
        self._for_reader.pop(gevent.getcurrent(), None)

    def was_closed_here(self) -> bool:
        """Whether we closed the connection of the current greenlet to free it for others."""
        return gevent.getcurrent() in self._closing

    def close_idle(self) -> None:
        """Close the connections that wait for a request, or for the rest of its head."""
        self._shut_down(list(_longest_waiting(self._for_request)))

    def free_connections(self) -> None:
        """If few connections are free, close some of those that have waited longest for what their client doesn't do.

        So clients that send or read nothing, or a byte now and then, don't keep others out.
        """
        if not self._few_are_free():
            return
        self.crowded.set()
        idle = [self._for_request, self._for_body, self._for_reader]
        if self.is_full():
            idle.append(self.scheduler.waiting)
        waiting = (one for one in _longest_waiting(*idle) if one not in self._closing)
        # `islice`, not a whole list: this runs for every new connection.
        chosen = list(islice(waiting, self._kept_free))
        self._closing.update(chosen)
        self._shut_down(chosen)
        self.closed += len(chosen)

    def _few_are_free(self) -> bool:
        return len(self._clients) - len(self._closing) + self._kept_free > self._most

    def _shut_down(self, chosen: list[greenlet]) -> None:
        for one in chosen:
            if one in self.scheduler.waiting:
                self.scheduler.refuse(one)
                continue
            how = socket.SHUT_RDWR if one in self._for_reader else socket.SHUT_RD
            with suppress(KeyError, OSError):
                client = self._clients[one]
                # On a duplicate: with the socket itself, gevent would raise in the waiting greenlet. So it reads an end of input.
                with socket.fromfd(client.fileno(), client.family, client.type) as same:
                    if one not in self._for_body:  # that one is answered first
                        discard_unread(same)
                    same.shutdown(how)


def bound_kernel_memory(listener: socket.socket, seconds: float) -> None:
    """Bound what the kernel keeps of answers that aren't read, for the connections of a listener: in bytes, and in time."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    # It counts on when the connection was closed.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def discard_unread(client: socket.socket) -> None:
    """Have the kernel discard what the client hasn't read, when the connection is closed."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DISCARD)


def _wait(waiting: dict[greenlet, float]) -> None:
    current = gevent.getcurrent()
    waiting.pop(current, None)  # so that it comes last
    waiting[current] = time.monotonic()


def _longest_waiting(*since: Mapping[greenlet, float]) -> Iterator[greenlet]:
    """The greenlets that have waited for IDLE_SECONDS, the longest first; each mapping must be sorted by time."""
    long_ago = time.monotonic() - IDLE_SECONDS
    for one, began in merge(*(waiting.items() for waiting in since), key=itemgetter(1)):
        if began > long_ago:
            return
        yield one
