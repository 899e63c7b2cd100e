"""Which schemas this collector has set aside, told to the database, where the query service finds it."""

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


class SetAside:
    """Until when schemas are set aside, by the monotonic clock."""

    def __init__(self) -> None:
        self._told: dict[_Version, float] = {}
        self._untold: dict[_Version, float] = {}

    def add(self, source: str, event_type: str, version: int, until: float) -> None:
        """A version is set aside until then. It may be said of each event that passes unchecked."""
        key = _Version(source, event_type, version)
        if self._told.get(key, 0.0) < until:
            self._untold[key] = until

    def tell(self, pool: ConnectionPool[psycopg.Connection]) -> None:
        """Write what wasn't written yet: a version once for each time that it is set aside.

        Raises:
            psycopg.Error: if the database can't be asked. It is written the next time then.
        """
        if not self._untold:
            return
        untold, now = dict(self._untold), time.monotonic()
        sources, event_types, versions = map(list, zip(*untold, strict=True))
        seconds = [until - now for until in untold.values()]
        given = {"sources": sources, "event_types": event_types, "versions": versions, "seconds": seconds}
        execute(pool, QUERIES["write_set_aside"], given)
        self._told = {key: until for key, until in self._told.items() if until > now} | untold
        self._untold = {key: until for key, until in self._untold.items() if until != untold.get(key)}
