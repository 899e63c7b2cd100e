"""Tracking plans: a source's mode, and the schemas of its event types."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import gevent
import psycopg

from event_tracker.collector.tracking_plan.budgets import FREE_SECONDS
from event_tracker.collector.tracking_plan.check_cache import CheckCache, StoredSchema
from event_tracker.collector.tracking_plan.slow_checks import BusyError, SlowChecks, UncheckedError
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool, execute
from event_tracker.model.event import EventError
from event_tracker.model.schema_checks import Check
from event_tracker.model.storing.row import SchemaViolations

QUERIES = load_queries("event_tracker.collector")

SLOW_SECONDS = 0.02
"""If a check in this process takes longer, in spite of its estimate, events of that size are checked in the other process.

No more is charged for one check: if it took longer, the machine was probably busy.
"""

CHUNK = 100
"""Schemas read at once: each may have 64 KiB."""


SET_ASIDE = "schema_set_aside"
"""The code of a warning: the event wasn't checked against its schema."""

UNCHECKED = "Was not held to its schema: checking events takes too long at present."
CHECKS_BUSY = "Holding events to schemas takes too long at present. Nothing of this request is stored: send it again."


class TrackingPlan(NamedTuple):
    """The schemas of a source's event types, and whether they are enforced.

    Attributes:
        source: the source's name.
        enforced: whether an event that violates its schema is refused; otherwise it is stored and flagged.
        find_check: finds the check of an event type; None if it has no schema.
        slow: makes the checks that may take long.
    """

    source: str
    enforced: bool
    find_check: Callable[[str], Check | None]
    slow: SlowChecks

    def check(
        self, index: int, pointer: str, event_type: str, properties: dict[str, Any], size: int
    ) -> tuple[SchemaViolations | None, list[EventError]]:
        """Check an event of so many bytes: how it violates its schema, and the errors or warnings that say so.

        Args:
            index: which event of the request.
            pointer: JSON Pointer to it.

        Raises:
            Problem: 503 if checks of other sources take all the time, and the schema is enforced.
        """
        try:
            violations = self.find_violations(event_type, properties, size)
        except (UncheckedError, BusyError) as error:
            if self.enforced and isinstance(error, BusyError):
                raise Problem(503, "checks_busy", CHECKS_BUSY) from None
            return None, [EventError(index, pointer, SET_ASIDE, UNCHECKED)]
        if violations is None:
            return None, []
        version = violations.version
        return violations, [
            EventError(index, f"{pointer}/properties{below}", "schema_violation", detail, version)
            for below, detail in violations.errors
        ]

    def find_violations(self, event_type: str, properties: dict[str, Any], size: int) -> SchemaViolations | None:
        """How an event of so many bytes violates its schema; None if it doesn't.

        Raises:
            UncheckedError: if its schema is set aside.
            BusyError: if checks of other sources take all the time.
        """
        check = self.find_check(event_type)
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
        return SchemaViolations(check.version, found) if found else None

    def _charge(self, event_type: str, check: Check, size: int, took: float) -> None:
        """Count a check in this process that took too long. If the budget is used up, such checks aren't made in this process."""
        self.slow.charge(self.source, event_type, check, min(took, SLOW_SECONDS))
        if took > SLOW_SECONDS or self.slow.is_set_aside(self.source, check):
            check.mark_slow(size)


class SchemaKey(NamedTuple):
    """Identifies a schema. `created_at` is for a source that was deleted and made again."""

    source: str
    event_type: str
    version: int
    created_at: datetime


class TrackingPlans:
    """Reads the plans of all sources. A schema is read once, since a version never changes."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection]) -> None:
        self._pool = pool
        self._stored: dict[SchemaKey, StoredSchema] = {}
        self.slow = SlowChecks()
        self._checks = CheckCache(self.slow)

    @property
    def schemas(self) -> Mapping[SchemaKey, StoredSchema]:
        """What was read last."""
        return self._stored

    def read(self, modes: Mapping[str, str]) -> dict[str, TrackingPlan]:
        """Read the plans of the sources that have one, given each source's mode.

        Raises:
            psycopg.Error: if the database is unavailable.
        """
        keys = [SchemaKey(*row) for row in execute(self._pool, QUERIES["list_plans"], {})]
        known = self._stored
        missing = [key for key in keys if key not in known]
        for start in range(0, len(missing), CHUNK):
            known = known | self._read(missing[start : start + CHUNK])
        return self.use({key: known[key] for key in keys if key in known}, modes)

    def use(self, schemas: Mapping[SchemaKey, StoredSchema], modes: Mapping[str, str]) -> dict[str, TrackingPlan]:
        """The plans that these schemas make, given each source's mode."""
        known, self._stored = self._stored, dict(schemas)
        for key in known.keys() - self._stored.keys():
            self._checks.forget(known[key])
        by_source: dict[str, dict[str, StoredSchema]] = {}
        for key, stored in self._stored.items():
            by_source.setdefault(key.source, {})[key.event_type] = stored
        if by_source:
            gevent.spawn(self.slow.start)
        return {
            name: TrackingPlan(name, modes[name] == "enforce", partial(self._find_check, found), self.slow)
            for name, found in by_source.items()
            if modes.get(name, "off") != "off"
        }

    def _find_check(self, schemas: Mapping[str, StoredSchema], event_type: str) -> Check | None:
        stored = schemas.get(event_type)
        return self._checks.find_check(stored) if stored else None

    def _read(self, keys: list[SchemaKey]) -> dict[SchemaKey, StoredSchema]:
        sources, event_types, versions, _ = map(list, zip(*keys, strict=True))
        wanted = {"sources": sources, "event_types": event_types, "versions": versions}
        return {
            SchemaKey(source, event_type, version, created_at): StoredSchema(source, event_type, version, schema)
            for source, event_type, version, created_at, schema in execute(self._pool, QUERIES["read_schemas"], wanted)
        }
