"""How one request's work lets others run: all requests of a process share one thread."""

import time

import gevent

SLICE_SECONDS = 0.005
"""How long a piece of work goes on before others run."""

PAUSE_SECONDS = 0.001


def yield_to_others() -> None:
    """Let everything else in this process run: other requests, timers, and sockets that have become ready.

    Call it between parts of work that takes long. `gevent.sleep(0)` isn't enough: it only lets those run who are ready already, before
    the event loop looks at its timers and sockets, so that new requests and time-outs wait until the work is done. A real pause, however
    short, goes through the event loop.
    """
    gevent.sleep(PAUSE_SECONDS)


class TimeSlice:
    """How long a piece of work has gone on without a pause. It begins when this is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def yield_when_over(self) -> None:
        """Let others run if the slice is used up, and begin another one. Call it often; it costs about 0.1 µs."""
        if time.perf_counter() - self._began > SLICE_SECONDS:
            yield_to_others()
            self._began = time.perf_counter()
