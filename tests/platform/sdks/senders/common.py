"""What every sender does: track COUNT events, one each PAUSE_MS, and say at the end what became of each."""

import json
import os
import time
from collections.abc import Callable

BASE, KEY, USER = os.environ["BASE_URL"], os.environ["WRITE_KEY"], os.environ["SENDER"]
COUNT, PAUSE_SECONDS = int(os.environ["COUNT"]), int(os.environ["PAUSE_MS"]) / 1000

delivered: set[int] = set()
given_up: dict[int, str] = {}


def track_all(track: Callable[[int], object]) -> None:
    """Call `track` with 0, 1, …"""
    for n in range(COUNT):
        track(n)
        time.sleep(PAUSE_SECONDS)


def is_delivered(n: int) -> None:
    """The SDK says so."""
    delivered.add(n)


def is_given_up(n: int, reason: str) -> None:
    """The SDK says so."""
    given_up[n] = reason


def wait_for_all(seconds: float) -> None:
    """Wait until the SDK has said of each event what became of it."""
    end = time.monotonic() + seconds
    while len(delivered) + len(given_up) < COUNT and time.monotonic() < end:
        time.sleep(0.1)
    given_up.update({n: "still trying" for n in range(COUNT) if n not in delivered and n not in given_up})


def give_up(error: object, batch: list[dict[str, object]]) -> None:
    """The SDK's `on_error`: these events weren't delivered."""
    for message in batch:
        given_up[message["properties"]["n"]] = f"{type(error).__name__}: {error}"


def report() -> None:
    """Say what became of each. Some SDKs tell only what they gave up; after a flush, all else is delivered."""
    found = [n for n in range(COUNT) if n not in given_up]
    print(json.dumps({"delivered": found, "given_up": given_up}), flush=True)
