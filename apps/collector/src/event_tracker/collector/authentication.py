"""Authentication: the sources and their write keys, cached, and the source of a request by its key and its page's origin."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple
from wsgiref.types import WSGIEnvironment

import gevent
import psycopg
import structlog
from gevent.lock import BoundedSemaphore
from msgspec.structs import astuple
from psycopg_pool import PoolTimeout

from event_tracker.collector.source_copy import SourceCopyFile
from event_tracker.collector.tracking_plan.check_cache import StoredSchema
from event_tracker.collector.tracking_plan.plans import SchemaKey, TrackingPlan, TrackingPlans
from event_tracker.core.background import BackgroundLoop
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.origins import allows
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import UNAVAILABLE, ConnectionPool, execute
from event_tracker.core.secrets.keys import prefix_of

log = structlog.get_logger("collector.catalog")

QUERIES = load_queries("event_tracker.collector")

POLL_SECONDS = 1.0
"""How long a change may go unnoticed."""

LOOKUP_INTERVAL_SECONDS = 0.1
"""An unknown key may be new, so it makes the cache read again and waits; but not more often than this."""

LOOKUP_WAIT_SECONDS = 2.0
"""How long a request with an unknown key waits for its turn to read."""

STALE_SECONDS = 3.0
"""After so many seconds without an answer, the database counts as unavailable."""

USES_SECONDS = 60.0
"""How often the last uses of keys are written."""

DEFAULT = "default"
"""The source of events without a key, if none is required."""

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="events"'}

HOW = (
    "Send it as `Authorization: Bearer KEY`, as `X-Write-Key: KEY`, or, from navigator.sendBeacon, as `?write_key=KEY`."
)


class Source(NamedTuple):
    """A site or an app that events come from.

    Attributes:
        origins: origins whose pages may send; `*` is any.
        rate_limit: events a second for each of its keys; None is no limit.
        plan: its tracking plan; None if it has none.
    """

    name: str
    origins: frozenset[str]
    enabled: bool
    rate_limit: int | None
    plan: TrackingPlan | None


class WriteKey(NamedTuple):
    """A write key that isn't revoked, and the source that it is for."""

    prefix: str
    source: Source


class SourceCache:
    """A cache of sources, their keys and their schemas. Once started, a background loop checks the database each second.

    Args:
        copy: where a copy is kept, to be read if the database is unavailable at the start.

    Attributes:
        has_sources: whether sources were read, from the database or from the copy. Once they were, they stay known.
    """

    def __init__(self, pool: ConnectionPool[psycopg.Connection], copy: SourceCopyFile | None = None) -> None:
        self._pool = pool
        self._copy = copy
        self._version = -1
        self.has_sources = self._copy_was_tried = False
        self._last_read = float("-inf")
        self._reading = BoundedSemaphore(1)
        self._plans = TrackingPlans(pool)
        self._sources: dict[str, Source] = {}
        self._keys: dict[bytes, WriteKey] = {}  # by their hashes
        self._prefixes: frozenset[str] = frozenset()
        self._used: dict[str, datetime] = {}
        self._on_change: Callable[[frozenset[str]], None] = lambda _: None
        self._written = time.monotonic()
        self._loop: BackgroundLoop | None = None

    def start(self, on_change: Callable[[frozenset[str]], None]) -> None:
        """Start the loop; `on_change` is called with the origins of all enabled sources each time they were read."""
        self._on_change = on_change
        self._loop = BackgroundLoop(
            self._update,
            POLL_SECONDS,
            lambda error: log.warning("can't ask for sources and keys", error=type(error).__name__),
        )

    def find(self, key: str) -> WriteKey | None:
        """Find a key; None if it is unknown or revoked.

        Raises:
            psycopg.Error: if only the database could tell, and it is unavailable.
        """
        hashed = sha256(key.encode()).digest()  # as `keys.hash_key` makes it
        found = self._keys.get(hashed)
        if found is None:
            prefix = prefix_of(key)
            if prefix is None or prefix in self._prefixes:
                return None
            self._refresh_or_read_copy(lambda: hashed in self._keys)
            found = self._keys.get(hashed)
        if found:
            self._used[found.prefix] = datetime.now(UTC)
        return found

    def find_plan(self, name: str) -> TrackingPlan | None:
        """The tracking plan of a source; None if it has none.

        Raises:
            psycopg.Error: if nothing was read yet, and the database is unavailable.
        """
        if not self.has_sources:
            self._refresh_or_read_copy(lambda: self.has_sources)
        source = self._sources.get(name)
        return source.plan if source else None

    def is_stale(self) -> bool:
        """Whether the database couldn't be read lately."""
        return time.monotonic() - self._last_read > STALE_SECONDS

    def close(self) -> None:
        """Stop, and write the last uses."""
        if self._loop:
            self._loop.close()
        self._plans.slow.close()
        try:
            self._write_uses()
        except UNAVAILABLE:
            log.info("the last uses of keys aren't written: the database is unavailable")

    def _update(self) -> None:
        """Read changes, and write what was noticed here. If that fails, the cache stays as it was."""
        try:
            self._read()
        except UNAVAILABLE:
            self._read_copy()
            raise
        finally:
            if self._copy:
                self._copy.write_kept()
        self._plans.slow.set_aside.save(self._pool)
        if time.monotonic() - self._written > USES_SECONDS:
            self._write_uses()
            self._written = time.monotonic()

    def refresh(self) -> None:
        """Return when the database was read since this call; one read serves all that wait.

        Raises:
            psycopg.Error: if the database is unavailable.
        """
        requested = time.monotonic()
        if not self._reading.acquire(timeout=LOOKUP_WAIT_SECONDS):
            raise PoolTimeout("others are waiting for the database to tell about keys")
        try:
            if self._last_read < requested:
                gevent.sleep(max(0.0, self._last_read + LOOKUP_INTERVAL_SECONDS - requested))
                self._read()
        finally:
            self._reading.release()

    def _refresh_or_read_copy(self, is_known: Callable[[], bool]) -> None:
        """Refresh; if the database is unavailable, what is wanted may be known from the copy."""
        try:
            self.refresh()
        except UNAVAILABLE:
            if not self._copy_was_tried:  # after that, only the loop tries it
                self._read_copy()
            if not is_known():
                raise

    def _read(self) -> None:
        began = time.monotonic()
        ((version,),) = execute(self._pool, QUERIES["catalog_version"], {})
        if version != self._version:
            rows = execute(self._pool, QUERIES["list_sources"], {})
            plans = self._plans.read({name: mode for name, _, _, _, mode in rows})
            sources = {
                name: Source(name, frozenset(origins), enabled, rate_limit, plans.get(name))
                for name, origins, enabled, rate_limit, _ in rows
            }
            keys = execute(self._pool, QUERIES["list_keys"], {})
            # A source that was made between the two statements changes the version: the next round reads it.
            self._use(sources, keys)
            self._version = version
            if self._copy:
                schemas = [(*key, stored.text) for key, stored in self._plans.schemas.items()]
                self._copy.keep(rows, keys, schemas)
        self._last_read = began

    def _use(self, sources: dict[str, Source], keys: Iterable[tuple[str, str, bytes]]) -> None:
        self._sources = sources
        self._keys = {hash_: WriteKey(prefix, sources[name]) for prefix, name, hash_ in keys if name in sources}
        self._prefixes = frozenset(key.prefix for key in self._keys.values())
        self._on_change(frozenset(origin for source in sources.values() if source.enabled for origin in source.origins))
        self.has_sources = True

    def _read_copy(self) -> None:
        """Use the copy, if nothing was read yet."""
        copy = None if self.has_sources or self._copy is None else self._copy.read()
        self._copy_was_tried = True
        if copy is None:
            return
        schemas = {
            SchemaKey(source, event_type, version, at): StoredSchema(source, event_type, version, text)
            for source, event_type, version, at, text in map(astuple, copy.schemas)
        }
        plans = self._plans.use(schemas, {source.name: source.schema_mode for source in copy.sources})
        sources = {
            one.name: Source(one.name, frozenset(one.origins), one.enabled, one.rate_limit, plans.get(one.name))
            for one in copy.sources
        }
        self._use(sources, [(key.prefix, key.source, key.hash) for key in copy.keys])
        log.warning("the database is unavailable: using the copy of sources and keys", sources=len(sources))

    def _write_uses(self) -> None:
        used, self._used = self._used, {}
        if used:
            execute(self._pool, QUERIES["write_uses"], {"prefixes": list(used), "times": list(used.values())})


class Credentials(NamedTuple):
    """The source that a request sends for, by its key.

    Attributes:
        source: the source's name.
        prefix: the key's prefix; None if there was no key.
        rate_limit: events a second for the key; None is no limit.
        plan: the source's tracking plan; None if it has none.
    """

    source: str
    prefix: str | None = None
    rate_limit: int | None = None
    plan: TrackingPlan | None = None


class Authenticator:
    """Authenticates requests.

    Args:
        required: whether a request without a key is refused.
    """

    def __init__(self, source_cache: SourceCache, *, required: bool) -> None:
        self._source_cache = source_cache
        self._required = required

    def authenticate(self, environ: WSGIEnvironment, key: str | None) -> Credentials:
        """Find the source of a request by its key.

        Raises:
            Problem: 401 if there is no key or a wrong one, 403 if its source is disabled or doesn't allow the page's origin.
            psycopg.Error: if only the database could tell, and it is unavailable. Not a 401: clients drop events on a 401.
        """
        if key is None:
            if self._required:
                raise Problem(401, "key_required", f"A write key is required. {HOW}", headers=CHALLENGE)
            return Credentials(DEFAULT, plan=self._source_cache.find_plan(DEFAULT))
        found = self._source_cache.find(key)
        if found is None:
            raise Problem(401, "invalid_key", "This isn't a write key, or it was revoked.", headers=CHALLENGE)
        source = found.source
        if not source.enabled:
            raise Problem(403, "source_disabled", "This key's source takes no events at present.")
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and not allows(source.origins, origin):
            raise Problem(403, "origin_not_allowed", "This key's source takes no events from pages of this origin.")
        return Credentials(source.name, found.prefix, source.rate_limit, source.plan)
