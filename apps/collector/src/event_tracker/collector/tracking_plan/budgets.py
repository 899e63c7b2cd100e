"""Budgets: how long the checks of a schema, and of all schemas of a source, may take in a window of time."""

import math
import time
from collections.abc import Hashable
from typing import NamedTuple

WINDOW_SECONDS = 60.0
SCHEMA_SECONDS = 1.0
SOURCE_SECONDS = 5.0
"""Seconds in a window for the checks of one schema, and for those of all schemas of a source."""

FREE_SECONDS = 0.005
"""Seconds of each check that aren't counted: an ordinary event, however large, takes no longer."""


class _Usage(NamedTuple):
    """How much of a budget is used, and until when that counts."""

    seconds: float
    until: float


class Budgets:
    """How much of each budget is used."""

    def __init__(self) -> None:
        self._used: dict[Hashable, _Usage] = {}

    def is_used_up(self, source: str, schema: int) -> bool:
        """Whether the budget of a schema, given by its number, or of its source is used up."""
        return self.used_up_until(source, schema) > -math.inf

    def used_up_until(self, source: str, schema: int) -> float:
        """Until when it is used up, on the monotonic clock; minus infinity if it isn't."""
        bounds = ((source, SOURCE_SECONDS), (schema, SCHEMA_SECONDS))
        return max((self._used[key].until for key, most in bounds if self._used_of(key) >= most), default=-math.inf)

    def charge(self, source: str, schema: int, seconds: float) -> bool:
        """Count a check that took so long; return whether the budget is used up by it."""
        if seconds <= FREE_SECONDS or self.is_used_up(source, schema):
            return False
        now = time.monotonic()
        self._used = {key: used for key, used in self._used.items() if now < used.until}
        for key in (source, schema):
            used = self._used.get(key, _Usage(0.0, now + WINDOW_SECONDS))
            self._used[key] = used._replace(seconds=used.seconds + seconds - FREE_SECONDS)
        return self.is_used_up(source, schema)

    def _used_of(self, key: Hashable) -> float:
        used = self._used.get(key)
        return used.seconds if used and time.monotonic() < used.until else 0.0
