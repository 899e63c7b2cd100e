"""Whether a consumer does its work: it polled, and it progressed if records wait. An idle consumer looks like a dead one."""

import time
from collections.abc import Callable

from event_tracker.streams.consuming.membership import Membership
from event_tracker.streams.process.lifecycle import TICK_SECONDS

PROGRESS_SECONDS = 300.0
"""The longest time in which nothing is done although records wait and nothing is known to hinder it; and in which it
isn't a member of its group although a broker can be reached."""


class Liveness:
    """A consumer's state as its loop tells it; read by the thread that answers /livez.

    Args:
        count_waiting: tells how many records wait.
    """

    def __init__(self, membership: Membership, count_waiting: Callable[[], int]) -> None:
        self._membership = membership
        self._count_waiting = count_waiting
        self._ticked = self._progressed = time.monotonic()

    def tick(self) -> None:
        """Note that the loop goes round. While no broker can be reached, a restart wouldn't help."""
        self._ticked = time.monotonic()
        if not self._count_waiting() or not self._membership.is_connected:
            self._progressed = self._ticked

    def progress(self) -> None:
        """Note that records were done, or that they can't be, since another service is unavailable: a restart wouldn't help."""
        self._ticked = self._progressed = time.monotonic()

    def find_fault(self) -> str | None:
        """What is wrong, if a restart may help; None if nothing is."""
        now = time.monotonic()
        if now - self._ticked > TICK_SECONDS:
            return "the loop hangs"
        if now - self._progressed > PROGRESS_SECONDS:
            return "records wait, a broker can be reached, nothing else hinders it, and nothing is done"
        outside = self._membership.outside_since
        if outside is not None and now - outside > PROGRESS_SECONDS:
            return "it isn't a member of its group, although a broker can be reached"
        return None
