"""What was found lately, kept for a moment."""

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from gevent.event import AsyncResult

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class RecentCache(Generic[Key, Value]):
    """Remembers what was found for `seconds`, and of not more than the `most` newest keys.

    Args:
        seconds: from when it was asked_at for, not from when the answer came: it may have changed since then.
        most: keys; the oldest are forgotten for a new one.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._values: dict[Key, tuple[float, Value]] = {}
        self._loading: dict[Key, tuple[float, AsyncResult[Value | None]]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get_or_load(self, key: Key, load: Callable[[], Value | None]) -> Value | None:
        """What was found under the key lately, or what `look` finds now; it looks once for all who ask meanwhile.

        So a client with many connections has one look-up under way, not one for each. Raises what `look` raised.
        """
        value = self.get(key)
        if value is not None:
            return value
        asked_at = time.monotonic()
        began, loading = self._loading.get(key, (asked_at, None))
        if loading is not None and asked_at - began <= self._seconds:
            return loading.get()
        return self._load(key, load, asked_at)

    def _load(self, key: Key, load: Callable[[], Value | None], asked_at: float) -> Value | None:
        loading: AsyncResult[Value | None] = AsyncResult()
        self._loading[key] = (asked_at, loading)
        try:
            value = load()
        except BaseException as error:  # whatever it is, everyone who waits must hear of it
            loading.set_exception(error)
            raise
        finally:
            if self._loading.get(key) == (asked_at, loading):
                del self._loading[key]
        loading.set(value)
        if value is None:
            self.remove(key)
        else:
            self.put(key, value, asked_at)
        return value

    def get(self, key: Key) -> Value | None:
        """What was found under the key, if that was lately."""
        asked_at, value = self._values.get(key, (None, None))
        return value if asked_at is not None and time.monotonic() - asked_at <= self._seconds else None

    def put(self, key: Key, value: Value, asked_at: float) -> None:
        """Remember what was found.

        Args:
            asked_at: `time.monotonic()` before it was asked_at for.
        """
        self.remove(key)
        self._values[key] = (asked_at, value)
        self._evict(asked_at - self._seconds)

    def remove(self, key: Key) -> None:
        """It isn't so any more."""
        self._values.pop(key, None)

    def _evict(self, before: float) -> None:
        """Drop what is older, and what is too much. Keys are in the order in which they were kept."""
        while self._values:
            oldest = next(iter(self._values))
            if len(self._values) <= self._most and self._values[oldest][0] >= before:
                return
            del self._values[oldest]
