"""Checks of schemas: compiled when an event first needs one, and kept as far as memory allows."""

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
"""What compiled schemas may take together, as estimated: a source may have 1,000 types, and one schema some megabytes."""


class StoredSchema:
    """A schema that counts, as the database has it.

    Attributes:
        source: whose it is.
        event_type: whose events it is for.
        version: its own.
        number: another one for each, in this process, however often it is compiled.
    """

    def __init__(self, source: str, event_type: str, version: int, text: str) -> None:
        self.source = source
        self.event_type = event_type
        self.version = version
        self.number = next_number()
        self._text = text.encode()
        self.was_compiled = False
        self.is_usable = True

    def compile(self) -> Check | None:
        """Its check; None if it isn't one that is taken, which is logged once. Events aren't refused for it."""
        try:
            return Check(self.version, decode_json(self._text), number=self.number)
        except (InvalidSchemaError, msgspec.DecodeError) as error:
            # It was looked at when it was set; so somebody wrote it past that.
            self.is_usable = False
            log.error(  # noqa: TRY400  # a stack tells nothing of a schema
                "a schema can't be used, so its events pass", source=self.source, version=self.version, why=str(error)
            )
            return None


class CheckCache:
    """The checks that are kept."""

    def __init__(self, slow: SlowChecks) -> None:
        self._slow = slow
        self._checks: dict[int, Check] = {}
        self._kept = LruCache(MOST_BYTES)

    def find_check(self, stored: StoredSchema) -> Check | None:
        """The check of a schema; None if the schema can't be used. Compiling a large one takes up to half a second.

        The first time is free. Where a source's schemas are more than are kept, its later ones are charged to it like checks.

        Raises:
            UncheckedError: if it must be compiled again, and is set aside.
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
        """Keep nothing of a schema that no longer counts."""
        self._kept.drop(stored.number)
        self._checks.pop(stored.number, None)
