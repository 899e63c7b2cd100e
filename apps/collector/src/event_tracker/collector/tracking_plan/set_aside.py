"""The schemas that this collector has set aside. They are written to the database, for the query service."""

import time
from typing import NamedTuple

import psycopg

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool, execute

QUERIES = load_queries("event_tracker.collector")


class _Version(NamedTuple):
    """A version of a schema."""

    source: str
    event_type: str
    version: int


class SetAsideSchemas:
    """Until when schemas are set aside, by the monotonic clock."""

    def __init__(self) -> None:
        self._saved: dict[_Version, float] = {}
        self._unsaved: dict[_Version, float] = {}

    def add(self, source: str, event_type: str, version: int, until: float) -> None:
        """Record that a version is set aside. It may be called for each event that passes unchecked."""
        key = _Version(source, event_type, version)
        if self._saved.get(key, 0.0) < until:
            self._unsaved[key] = until

    def save(self, pool: ConnectionPool[psycopg.Connection]) -> None:
        """Write what wasn't written yet: one write for each time that a version is set aside.

        Raises:
            psycopg.Error: if the database is unavailable. The next call tries again.
        """
        if not self._unsaved:
            return
        unsaved, now = dict(self._unsaved), time.monotonic()
        sources, event_types, versions = map(list, zip(*unsaved, strict=True))
        seconds = [until - now for until in unsaved.values()]
        parameters = {"sources": sources, "event_types": event_types, "versions": versions, "seconds": seconds}
        execute(pool, QUERIES["write_set_aside"], parameters)
        self._saved = {key: until for key, until in self._saved.items() if until > now} | unsaved
        self._unsaved = {key: until for key, until in self._unsaved.items() if until != unsaved.get(key)}
