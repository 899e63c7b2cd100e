"""Tracking plans, as events are held to them: a source's mode, and a schema for each event type that has one."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import gevent
import psycopg
import structlog

from core.pool import ConnectionPool, execute
from core.queries import load_queries
from manage.checks import Check, Violation
from manage.schema_rules import InvalidSchemaError

log = structlog.get_logger("collector.plans")

QUERIES = load_queries("collector")

SLOW_SECONDS = 0.005
"""After a check that took longer others go on first: a batch of large events may need many of these."""

CHUNK = 100
"""Schemas read at once: each may have 64 KiB."""


class Violated(NamedTuple):
    """How an event violates its schema: the schema's version, and what is wrong."""

    version: int
    found: list[Violation]


class Plan(NamedTuple):
    """What a source's events must be.

    Attributes:
        enforced: whether an event that violates its schema is refused; otherwise it is stored and flagged.
        checks: by event type. One without a schema is not held to anything.
    """

    enforced: bool
    checks: Mapping[str, Check]

    def violated(self, event_type: str, properties: dict[str, Any]) -> Violated | None:
        """How an event violates its schema; None if it doesn't."""
        check = self.checks.get(event_type)
        if check is None:
            return None
        began = time.perf_counter()
        found = check.find(properties)
        if time.perf_counter() - began > SLOW_SECONDS:
            gevent.sleep(0)
        return Violated(check.version, found) if found else None


class _Key(NamedTuple):
    """What tells a schema from every other one, also from one of a source that was made anew."""

    source: str
    event_type: str
    version: int
    created_at: datetime


class Plans:
    """The plans of all sources. A schema is read and compiled once, since a version never changes."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection]) -> None:
        self._pool = pool
        self._checks: dict[_Key, Check | None] = {}

    def read(self, modes: Mapping[str, str]) -> dict[str, Plan]:
        """The plans of the sources that have one, given each source's mode.

        Raises:
            psycopg.Error: if the database can't be asked.
        """
        keys = [_Key(*row) for row in execute(self._pool, QUERIES["list_plans"], {})]
        known = self._checks
        missing = [key for key in keys if key not in known]
        for start in range(0, len(missing), CHUNK):
            known = known | self._compile(missing[start : start + CHUNK])
        self._checks = {key: known[key] for key in keys if key in known}
        checks: dict[str, dict[str, Check]] = {}
        for key, check in self._checks.items():
            if check:
                checks.setdefault(key.source, {})[key.event_type] = check
        return {
            name: Plan(modes[name] == "enforce", found)
            for name, found in checks.items()
            if modes.get(name, "off") != "off"
        }

    def _compile(self, keys: list[_Key]) -> dict[_Key, Check | None]:
        sources, event_types, versions, _ = map(list, zip(*keys, strict=True))
        wanted = {"sources": sources, "event_types": event_types, "versions": versions}
        compiled: dict[_Key, Check | None] = {}
        for *names, schema in execute(self._pool, QUERIES["read_schemas"], wanted):
            key = _Key(*names)
            try:
                compiled[key] = Check(key.version, schema)
            except InvalidSchemaError as error:
                # It was looked at when it was set; so somebody wrote it past that. Events aren't refused for it.
                log.error(  # noqa: TRY400  # a stack tells nothing of a schema
                    "a schema can't be used, so its events pass", source=key.source, version=key.version, why=str(error)
                )
                compiled[key] = None
            gevent.sleep(0)  # requests needn't wait for all of them
        return compiled
