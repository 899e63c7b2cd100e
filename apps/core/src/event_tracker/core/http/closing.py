"""Which connections are closed when few are free, and how: those that have waited longest for their client.

It is beside `connections.py`, since most requests run none of it.
"""

import socket
import time
from collections.abc import Iterator, Mapping
from heapq import merge
from operator import itemgetter
from typing import Literal

from greenlet import greenlet

from event_tracker.core.http.streams import discard_unread

IDLE_SECONDS = 0.25
"""A connection that has waited this long may be closed; on a younger one, a request or its body is probably on its way."""

Awaited = Literal["request", "body", "reader", "turn"]
"""What a connection waits for."""

Wait = tuple[float, Awaited]
"""Since when a connection waits, and for what."""


def longest_waiting(*waits: Mapping[greenlet, Wait]) -> Iterator[tuple[greenlet, Awaited]]:
    """The greenlets that have waited for IDLE_SECONDS, the longest first; each mapping must be sorted by time."""
    long_ago = time.monotonic() - IDLE_SECONDS
    for one, (since, awaited) in merge(*(waiting.items() for waiting in waits), key=itemgetter(1)):
        if since > long_ago:
            return
        yield one, awaited


def shut_down(client: socket.socket, awaited: Awaited) -> None:
    """End what a connection waits for. Its greenlet reads an end of input, or can't write any more, and closes it.

    Raises:
        OSError: if it is closed already.
    """
    # On a duplicate: with the socket itself, gevent would raise in the waiting greenlet.
    with socket.fromfd(client.fileno(), client.family, client.type) as same:
        if awaited != "body":  # that one is answered first
            discard_unread(same)
        same.shutdown(socket.SHUT_RDWR if awaited == "reader" else socket.SHUT_RD)
