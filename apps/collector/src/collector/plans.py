"""Tracking plans, as events are held to them: a source's mode, and a schema for each event type that has one."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import gevent
import psycopg
import structlog

from collector.budgets import FREE_SECONDS
from collector.slow_checks import SlowChecks
from core.cooperation import TimeSlice
from core.pool import ConnectionPool, execute
from core.queries import load_queries
from manage.checks import Check, Violation
from manage.schema_rules import InvalidSchemaError

log = structlog.get_logger("collector.plans")

QUERIES = load_queries("collector")

SLOW_SECONDS = 0.02
"""After a check in this process that took longer, in spite of its estimate, those of events as large are made elsewhere.

More isn't charged for one: whatever took longer, it is rather the machine that stood still.
"""

CHUNK = 100
"""Schemas read at once: each may have 64 KiB."""


class Violated(NamedTuple):
    """How an event violates its schema: the schema's version, and what is wrong."""

    version: int
    found: list[Violation]


class Plan(NamedTuple):
    """What a source's events must be.

    Attributes:
        source: whose plan it is.
        enforced: whether an event that violates its schema is refused; otherwise it is stored and flagged.
        checks: by event type. One without a schema is not held to anything.
        slow: where checks are made that may take long.
    """

    source: str
    enforced: bool
    checks: Mapping[str, Check]
    slow: SlowChecks

    def violated(self, event_type: str, properties: dict[str, Any], size: int) -> Violated | None:
        """How an event of so many bytes violates its schema; None if it doesn't.

        Raises:
            UncheckedError: if its schema is set aside.
            BusyError: if others' checks take all the time.
        """
        check = self.checks.get(event_type)
        if check is None:
            return None
        if check.is_fast(size):
            began = time.perf_counter()
            found = check.find(properties)
            took = time.perf_counter() - began
            if took > FREE_SECONDS:
                self._charge(event_type, check, size, took)
        else:
            found = self.slow.find(self.source, event_type, check, properties)
        return Violated(check.version, found) if found else None

    def _charge(self, event_type: str, check: Check, size: int, took: float) -> None:
        """Count a check that was made here and took longer than it should have. Once there is no time left, it isn't made here."""
        self.slow.charge(self.source, event_type, check, min(took, SLOW_SECONDS))
        if took > SLOW_SECONDS or self.slow.is_over(self.source, check):
            check.was_slow(size)


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
        self.slow = SlowChecks()

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
        if checks:
            gevent.spawn(self.slow.start)
        return {
            name: Plan(name, modes[name] == "enforce", found, self.slow)
            for name, found in checks.items()
            if modes.get(name, "off") != "off"
        }

    def _compile(self, keys: list[_Key]) -> dict[_Key, Check | None]:
        sources, event_types, versions, _ = map(list, zip(*keys, strict=True))
        wanted = {"sources": sources, "event_types": event_types, "versions": versions}
        compiled: dict[_Key, Check | None] = {}
        time_slice = TimeSlice()
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
            time_slice.yield_when_over()
        return compiled
