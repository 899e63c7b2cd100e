"""API tokens, by which programs authenticate, and the cache of recent look-ups."""

import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import psycopg
from gevent.event import AsyncResult

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import READ_ONLY, ConnectionPool, execute
from event_tracker.core.secrets.keys import is_key, prefix_of
from event_tracker.query.auth.principal import Principal, QuotaHolder

QUERIES = load_queries("event_tracker.query.auth")

KIND = "rt"
"""The prefixes of API tokens begin with it."""

FRESH_SECONDS = 2.0
"""How long a token is cached. A revoked token is refused everywhere after this time."""

MAX_KNOWN = 10_000
"""Tokens that the cache holds."""


Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass
class _StoredToken:
    """A token as it is stored. `note_use`: its last use must be written to the database."""

    hash: bytes
    principal: Principal
    note_use: bool


class Tokens:
    """Looks tokens up, and caches them for a moment."""

    def __init__(self, control: ConnectionPool[psycopg.Connection]) -> None:
        self._control = control
        self._recent: RecentCache[str, _StoredToken] = RecentCache(FRESH_SECONDS, MAX_KNOWN)

    def authenticate(self, token: str) -> Principal | None:
        """The principal of a token. None if it is unknown or wrong, was revoked, or has expired.

        Raises:
            psycopg.Error: if the database can't be reached: then it isn't known whether the token is valid.
        """
        prefix = prefix_of(token)
        if prefix is None:
            return None
        stored = self._recent.get_or_load(prefix, lambda: self._load(prefix))
        # The prefix is no secret: a request with a wrong secret isn't a use of the token.
        if stored is None or not is_key(token, stored.hash):
            return None
        if stored.note_use:
            stored.note_use = False
            with suppress(READ_ONLY):  # the database became read-only since the look-up; the request is still answered
                execute(self._control, QUERIES["use_token"], {"prefix": prefix})
        return stored.principal

    def _load(self, prefix: str) -> _StoredToken | None:
        for hash_, scopes, sources, note_use, *quota_holder in execute(
            self._control, QUERIES["find_token"], {"prefix": prefix}
        ):
            allowed = None if sources is None else frozenset(sources)
            principal = Principal("token", prefix, frozenset(scopes), allowed, quota_holder=QuotaHolder(*quota_holder))
            return _StoredToken(hash_, principal, note_use)
        return None


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
