"""Simulated events to write, the same for all contenders: bodies for HTTP, rows for COPY and INSERT."""

import json
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

USERS = 200_000
TYPES = {
    "page_view": 40, "click": 20, "scroll": 12, "search": 8, "login": 6, "logout": 4, "add_to_cart": 3,
    "purchase": 2.5, "signup": 1.8, "share": 1.3, "download": 0.9, "error": 0.5,
}  # fmt: skip
"""Event types and how many of a hundred events are of each; sql/generate.sql has the same."""

SINGLES = 8192
BATCHES = 100
BATCH_EVENTS = 1000
PATHS = 8192


def _user(rng: random.Random) -> int:
    """A random user: user k has a probability proportional to 1/k."""
    return int(math.exp(rng.random() * math.log(USERS)))


def make_event(rng: random.Random, now: datetime) -> dict[str, Any]:
    """Make an event without an event_id: if it is sent again it is a new event, so every request stores something."""
    page = rng.randint(1, 500)
    happened = now - timedelta(milliseconds=rng.randrange(60_000))
    return {
        "user_id": f"user_{_user(rng)}",
        "event_type": rng.choices(list(TYPES), list(TYPES.values()))[0],
        "timestamp": happened.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "session_id": f"s_{rng.randint(1, 1_000_000)}",
        "properties": {
            "page_url": f"https://example.com/p/{page}",
            "page_title": f"Page {page}",
            "n": rng.randint(1, 1_000_000),
        },
    }


class Requests:
    """Files with one request a line, for wrk.lua."""

    def __init__(self, folder: Path) -> None:
        rng, now = random.Random(1), datetime.now(UTC)
        self.singles = self._write(folder / "singles", [make_event(rng, now) for _ in range(SINGLES)])
        self.batches = self._write(
            folder / "batches", [[make_event(rng, now) for _ in range(BATCH_EVENTS)] for _ in range(BATCHES)]
        )
        self.newest = self._write_paths(
            folder / "newest", [f"/events?user_id=user_{_user(rng)}&limit=50" for _ in range(PATHS)]
        )
        # Users who have more than 50 events already among 100,000: answers of the same size at every size of the table.
        self.newest_full = self._write_paths(
            folder / "newest-full", [f"/events?user_id=user_{user}&limit=50" for user in range(1, 101)]
        )
        self.top_types = self._write_paths(folder / "top-types", ["/stats/top-types"])

    def _write(self, file: Path, bodies: list[Any]) -> Path:
        return self._write_paths(file, [json.dumps(body, separators=(",", ":")) for body in bodies])

    def _write_paths(self, file: Path, lines: list[str]) -> Path:
        file.write_text("".join(f"{line}\n" for line in lines))
        return file
