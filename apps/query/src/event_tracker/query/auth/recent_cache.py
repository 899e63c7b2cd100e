"""What was found lately, kept for a moment."""

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from gevent.event import AsyncResult

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
        self._coming: dict[Key, tuple[float, AsyncResult[Found | None]]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def ask(self, key: Key, look: Callable[[], Found | None]) -> Found | None:
        """What was found under the key lately, or what `look` finds now; it looks once for all who ask meanwhile.

        So a client with many connections has one look-up under way, not one for each. Raises what `look` raised.
        """
        found = self.find(key)
        if found is not None:
            return found
        asked = time.monotonic()
        began, coming = self._coming.get(key, (asked, None))
        if coming is not None and asked - began <= self._seconds:
            return coming.get()
        return self._look(key, look, asked)

    def _look(self, key: Key, look: Callable[[], Found | None], asked: float) -> Found | None:
        coming: AsyncResult[Found | None] = AsyncResult()
        self._coming[key] = (asked, coming)
        try:
            found = look()
        except BaseException as error:  # whatever it is, everyone who waits must hear of it
            coming.set_exception(error)
            raise
        finally:
            if self._coming.get(key) == (asked, coming):
                del self._coming[key]
        coming.set(found)
        if found is None:
            self.forget(key)
        else:
            self.keep(key, found, asked)
        return found

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
