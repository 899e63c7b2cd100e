"""A cache of recent look-ups."""

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from gevent.event import AsyncResult

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class RecentCache(Generic[Key, Value]):
    """Caches values for `seconds`, and only those of the `most` newest keys.

    Args:
        seconds: counted from the request, not from the answer: the value may have changed in between.
        most: number of keys; the oldest are evicted for a new one.
    """

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._values: dict[Key, tuple[float, Value]] = {}
        self._loading: dict[Key, tuple[float, AsyncResult[Value | None]]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get_or_load(self, key: Key, load: Callable[[], Value | None]) -> Value | None:
        """The cached value of the key, or what `load` returns now. Concurrent calls for one key share one load.

        So a client with many connections causes one look-up, not one for each. Raises what `load` raised.
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
        except BaseException as error:  # whatever it is, everyone who waits must receive it
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
        """The cached value of the key; None if there is none, or it is too old."""
        asked_at, value = self._values.get(key, (None, None))
        return value if asked_at is not None and time.monotonic() - asked_at <= self._seconds else None

    def put(self, key: Key, value: Value, asked_at: float) -> None:
        """Cache a value.

        Args:
            asked_at: `time.monotonic()` before the value was requested.
        """
        self.remove(key)
        self._values[key] = (asked_at, value)
        self._evict(asked_at - self._seconds)

    def remove(self, key: Key) -> None:
        """Remove a key whose value is no longer valid."""
        self._values.pop(key, None)

    def _evict(self, before: float) -> None:
        """Remove values older than `before`, and the oldest beyond `most`. Keys are in the order in which they were put."""
        while self._values:
            oldest = next(iter(self._values))
            if len(self._values) <= self._most and self._values[oldest][0] >= before:
                return
            del self._values[oldest]
