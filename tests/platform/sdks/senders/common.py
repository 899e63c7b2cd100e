"""What every sender does: track COUNT events, one each PAUSE_MS, and say at the end what became of each."""

import json
import os
import time
from collections.abc import Callable

BASE, KEY, USER = os.environ["BASE_URL"], os.environ["WRITE_KEY"], os.environ["SENDER"]
COUNT, PAUSE_SECONDS = int(os.environ["COUNT"]), int(os.environ["PAUSE_MS"]) / 1000

given_up: dict[int, str] = {}


def track_all(track: Callable[[int], object]) -> None:
    """Call `track` with 0, 1, …"""
    for n in range(COUNT):
        track(n)
        time.sleep(PAUSE_SECONDS)


def give_up(error: object, batch: list[dict[str, object]]) -> None:
    """The SDK's `on_error`: these events weren't delivered."""
    for message in batch:
        given_up[message["properties"]["n"]] = f"{type(error).__name__}: {error}"


def report() -> None:
    """Say what became of each. These SDKs tell only what they gave up; after a flush, all else is delivered."""
    print(json.dumps({"delivered": [n for n in range(COUNT) if n not in given_up], "given_up": given_up}), flush=True)
