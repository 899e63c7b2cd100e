"""A cache of compiled checks: a schema is compiled when an event first needs it, and kept as long as memory allows."""

import time

import msgspec
import structlog

from event_tracker.collector.tracking_plan.lru import LruCache
from event_tracker.collector.tracking_plan.slow_checks import SlowChecks
from event_tracker.core.json_numbers import decode_json
from event_tracker.model.schema_checks import Check, next_number
from event_tracker.model.schema_rules import InvalidSchemaError

log = structlog.get_logger("collector.plans")

MOST_BYTES = 64 * 1024 * 1024
"""Estimated bytes of all compiled schemas: a source may have 1,000 types, and one schema may take some megabytes."""


class StoredSchema:
    """The current schema of an event type, as stored in the database.

    Attributes:
        source: the source's name.
        event_type: the event type.
        version: its version.
        number: identifies it in this process; it stays the same when it is compiled again.
    """

    def __init__(self, source: str, event_type: str, version: int, text: str) -> None:
        self.source = source
        self.event_type = event_type
        self.version = version
        self.number = next_number()
        self._text = text.encode()
        self.was_compiled = False
        self.is_usable = True

    @property
    def text(self) -> str:
        """The schema, as JSON."""
        return self._text.decode()

    def compile(self) -> Check | None:
        """Compile it; None, logged once, if the schema is invalid. Events aren't refused because of that."""
        try:
            return Check(self.version, decode_json(self._text), number=self.number)
        except (InvalidSchemaError, msgspec.DecodeError) as error:
            # Schemas are checked when they are set, so this one was written to the table directly.
            self.is_usable = False
            log.error(  # noqa: TRY400  # a stack tells nothing of a schema
                "a schema can't be used, so its events pass", source=self.source, version=self.version, why=str(error)
            )
            return None


class CheckCache:
    """The cached checks."""

    def __init__(self, slow: SlowChecks) -> None:
        self._slow = slow
        self._checks: dict[int, Check] = {}
        self._kept = LruCache(MOST_BYTES)

    def find_check(self, stored: StoredSchema) -> Check | None:
        """The check of a schema; None if the schema can't be used. Compiling a large one takes up to half a second.

        Compiling a schema for the first time is free. Compiling it again, because it was evicted, is charged like a check.

        Raises:
            UncheckedError: if it must be compiled again, but is set aside.
        """
        check = self._checks.get(stored.number)
        if check is None:
            if not stored.is_usable:
                return None
            if stored.was_compiled:
                self._slow.require_time(stored.source, stored.event_type, stored)
            began = time.thread_time()
            check = stored.compile()
            if check is None:
                return None
            if stored.was_compiled:
                self._slow.charge(stored.source, stored.event_type, check, time.thread_time() - began)
            stored.was_compiled = True
            self._checks[stored.number] = check
        for number in self._kept.use(stored.source, stored.number, check.examined.memory):
            del self._checks[number]
        return check

    def forget(self, stored: StoredSchema) -> None:
        """Drop the check of a schema that was replaced."""
        self._kept.drop(stored.number)
        self._checks.pop(stored.number, None)
