"""Waiting for what will be true, instead of for a while."""

import time
from collections.abc import Callable
from typing import Any

POLL_SECONDS = 0.1


def eventually(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """What the condition returns once it is true, or at the end."""
    deadline = time.monotonic() + seconds
    while not (true := condition()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return true


def wait_until(condition: Callable[[], Any], what: str = "it", seconds: float = 60) -> None:
    """Return once the condition is true; fail with `what` after so many seconds."""
    assert eventually(condition, seconds), f"after {seconds:.0f} s still not so: {what}"
