"""The time that a question may take: loading what it reads, and reading it."""

import time

from event_tracker.core.http.errors import Problem

TOO_SLOW = (
    "This question took longer than STATEMENT_SECONDS. Narrow `from` and `to`, or select fewer events by `event_type`. What was "
    "loaded for it is kept, so the same question may be answered when it is asked again."
)


class Deadline:
    """So many seconds from when it is made."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left, 0 if there are none."""
        return max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Raise the problem if the time is over."""
        if not self.remaining:
            raise self.problem()

    @staticmethod
    def problem() -> Problem:
        """The answer to a question that took too long."""
        return Problem(504, "statement_timeout", TOO_SLOW)
