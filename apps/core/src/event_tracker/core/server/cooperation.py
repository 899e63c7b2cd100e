"""Cooperation between requests: all requests of a process share one thread, so long work must pause."""

import time

import gevent

SLICE_SECONDS = 0.005
"""How long work goes on before other greenlets run."""

PAUSE_SECONDS = 0.001


def yield_to_others() -> None:
    """Let everything else in this process run: other requests, timers, and sockets that have become ready.

    Call it between parts of long work. `gevent.sleep(0)` isn't enough: it runs only greenlets that are ready already. The event
    loop doesn't check its timers and sockets then, and new requests and time-outs wait until the work is done. A real pause,
    however short, goes through the event loop.
    """
    gevent.sleep(PAUSE_SECONDS)


class TimeSlice:
    """Measures how long work has gone on without a pause, from when this is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def yield_when_over(self) -> None:
        """If the slice is used up, let others run and begin a new one. Call it often; it costs about 0.1 µs."""
        if time.perf_counter() - self._began > SLICE_SECONDS:
            yield_to_others()
            self._began = time.perf_counter()
