"""Long work in a process that serves many: it gives way every few milliseconds, so that nobody waits for all of it."""

import time

import gevent

SLICE_SECONDS = 0.005
"""How long a piece of work goes on before others get their turn."""

PAUSE_SECONDS = 0.001
"""Not 0: `sleep(0)` runs the greenlets that are ready already, but lets neither timers nor sockets wake others."""


class Turn:
    """The turn of one piece of work, which begins when this is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def give_way(self) -> None:
        """Let others go on if the turn has lasted for long enough. Call it often; it costs about 0.1 µs."""
        if time.perf_counter() - self._began > SLICE_SECONDS:
            gevent.sleep(PAUSE_SECONDS)
            self._began = time.perf_counter()
