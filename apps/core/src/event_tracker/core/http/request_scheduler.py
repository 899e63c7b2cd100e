"""Turns of requests: how many are in progress at once, and how long the event loop works on them before it looks at sockets again.

All requests of a process share one event loop. When a thousand of them can go on at once, it would work on all of these before
it accepts the next connection. With turns, it accepts connections and reads heads in between, so that urgent requests, which take
no turn, are answered soon.
"""

import time
from collections import deque
from collections.abc import Callable

import gevent
from gevent.hub import Waiter
from greenlet import greenlet

SLICE_SECONDS = 0.005
"""How long requests are worked on before the event loop looks at sockets and timers again."""


class RequestScheduler:
    """Gives turns to requests, in the order in which they came. A process that isn't busy gives them at once.

    Args:
        most: requests in progress at once.
        count_idle: returns how many of those in progress wait for their client, and don't count.

    Attributes:
        waiting: since when each greenlet waits for a turn, oldest first.
    """

    def __init__(self, most: int, count_idle: Callable[[], int] = lambda: 0) -> None:
        self.waiting: dict[greenlet, float] = {}
        self._most = most
        self._count_idle = count_idle
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
        self.waiting[current] = time.monotonic()
        self.schedule()
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
            self.schedule()
            waiter.get()

    def end(self) -> None:
        """End the turn of the current greenlet, if it has one."""
        self._in_progress.discard(gevent.getcurrent())
        self.schedule()

    def refuse(self, one: greenlet) -> None:
        """Refuse a turn to a greenlet that waits for one."""
        del self.waiting[one]
        gevent.get_hub().loop.run_callback(self._waiters.pop(one).switch, False)

    def _is_busy(self) -> bool:
        return bool(self._paused) or abs(time.time() - gevent.get_hub().loop.now()) > SLICE_SECONDS

    def _may_start(self) -> bool:
        return len(self._in_progress) - self._count_idle() < self._most

    def schedule(self) -> None:
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
        self.schedule()
