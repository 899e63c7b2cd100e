"""The connections of a process: what each waits for, and who is hung up on when there are few left."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from heapq import merge
from itertools import islice
from operator import itemgetter

import gevent
from greenlet import greenlet

IDLE_SECONDS = 0.5
"""A connection that has waited so long may be hung up on; on a younger one, a request or its body is probably on its way."""

FREE_FRACTION = 0.125
"""The part of all connections that is kept for new ones. As many are hung up on at once."""


class Connections:
    """Each is served by one greenlet, which tells what it waits for.

    Args:
        most: how many there may be.

    Attributes:
        hung_up: on how many, to make room.
    """

    def __init__(self, most: int) -> None:
        self.hung_up = 0
        self._most = most
        self._kept_free = max(1, int(most * FREE_FRACTION))
        self._clients: dict[greenlet, socket.socket] = {}
        # Since when; in the order of these times.
        self._for_request: dict[greenlet, float] = {}
        self._for_body: dict[greenlet, float] = {}
        self._closing: set[greenlet] = set()

    def add(self, client: socket.socket) -> None:
        """The current greenlet serves this one from now on."""
        self._clients[gevent.getcurrent()] = client
        self.free_connections()

    def remove(self) -> None:
        """The current greenlet serves it no more."""
        current = gevent.getcurrent()
        self._for_request.pop(current, None)
        self._closing.discard(current)
        del self._clients[current]

    def wait_for_request(self) -> None:
        """The current greenlet begins to, or to wait for its head."""
        current = gevent.getcurrent()
        self._for_request.pop(current, None)
        self._for_request[current] = time.monotonic()

    def begin_request(self) -> None:
        """The head is whole."""
        self._for_request.pop(gevent.getcurrent(), None)

    def wait_for_body(self) -> None:
        """The current greenlet begins to, however much of it arrives meanwhile."""
        current = gevent.getcurrent()
        self._for_body.pop(current, None)
        self._for_body[current] = time.monotonic()

    def end_body(self) -> None:
        """It is there, or isn't waited for any more."""
        self._for_body.pop(gevent.getcurrent(), None)

    def is_given_up(self) -> bool:
        """Whether the current greenlet's was hung up on, and not by its client."""
        return gevent.getcurrent() in self._closing

    def close_idle(self) -> None:
        """Hang up on those that wait for a request, or for its head."""
        self._shut_down(list(_longest_waiting(self._for_request)))

    def free_connections(self) -> None:
        """When few are free: hang up on some of those that have waited for a request or a body the longest.

        So clients that send nothing, or a byte now and then, don't keep the others out.
        """
        if len(self._clients) - len(self._closing) + self._kept_free <= self._most:
            return
        waiting = (one for one in _longest_waiting(self._for_request, self._for_body) if one not in self._closing)
        # Not all of them are looked at: this happens at each connection that comes.
        chosen = list(islice(waiting, self._kept_free))
        self._closing.update(chosen)
        self._shut_down(chosen)
        self.hung_up += len(chosen)

    def _shut_down(self, chosen: list[greenlet]) -> None:
        for one in chosen:
            with suppress(KeyError, OSError):
                client = self._clients[one]
                # On a socket of its own: gevent would raise in the greenlet that waits for this one, instead of an end of input.
                with socket.fromfd(client.fileno(), client.family, client.type) as same:
                    same.shutdown(socket.SHUT_RD)


def _longest_waiting(*since: Mapping[greenlet, float]) -> Iterator[greenlet]:
    """Those that have waited for IDLE_SECONDS, the longest first; each mapping is in the order of its times."""
    long_ago = time.monotonic() - IDLE_SECONDS
    for one, began in merge(*(waiting.items() for waiting in since), key=itemgetter(1)):
        if began > long_ago:
            return
        yield one
