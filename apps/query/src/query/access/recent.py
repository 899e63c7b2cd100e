"""What was found lately, kept for a moment."""

import time
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")


class Recent(Generic[Key, Found]):
    """Remembers what was found for `seconds`, and of not more than the `most` newest keys.

    Args:
        seconds: from when it was asked for, not from when the answer came: it may have changed since then.
        most: keys; the oldest are forgotten for a new one.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._found: dict[Key, tuple[float, Found]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def find(self, key: Key) -> Found | None:
        """What was found under the key, if that was lately."""
        asked, found = self._found.get(key, (None, None))
        return found if asked is not None and time.monotonic() - asked <= self._seconds else None

    def keep(self, key: Key, found: Found, asked: float) -> None:
        """Remember what was found.

        Args:
            asked: `time.monotonic()` before it was asked for.
        """
        self.forget(key)
        self._found[key] = (asked, found)
        self._drop(asked - self._seconds)

    def forget(self, key: Key) -> None:
        """It isn't so any more."""
        self._found.pop(key, None)

    def _drop(self, before: float) -> None:
        """Drop what is older, and what is too much. Keys are in the order in which they were kept."""
        while self._found:
            oldest = next(iter(self._found))
            if len(self._found) <= self._most and self._found[oldest][0] >= before:
                return
            del self._found[oldest]
