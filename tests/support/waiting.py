"""Waits for a condition instead of a fixed time."""

import time
from collections.abc import Callable
from typing import Any

POLL_SECONDS = 0.1


def eventually(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until the condition is true or the time is over, and return its last value."""
    deadline = time.monotonic() + seconds
    while not (true := condition()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return true


def wait_until(condition: Callable[[], Any], what: str = "it", seconds: float = 60) -> None:
    """Wait until the condition is true. Fail with `what` after so many seconds."""
    assert eventually(condition, seconds), f"after {seconds:.0f} s still not so: {what}"
