"""How one request's work lets others run: all requests of a process share one thread."""

import gevent

PAUSE_SECONDS = 0.001


def yield_to_others() -> None:
    """Let everything else in this process run: other requests, timers, and sockets that have become ready.

    Call it between parts of work that takes long. `gevent.sleep(0)` isn't enough: it only lets those run who are ready already, before
    the event loop looks at its timers and sockets, so that new requests and time-outs wait until the work is done. A real pause, however
    short, goes through the event loop.
    """
    gevent.sleep(PAUSE_SECONDS)
