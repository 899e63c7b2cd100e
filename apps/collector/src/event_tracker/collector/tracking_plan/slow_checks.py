"""Makes checks that may take long: in a separate process, within a time budget for each schema and source.

A schema over its budget is set aside for a while: its events are stored unchecked, and their sender is warned.
"""

import math
import sys
import time
from contextlib import suppress
from typing import Any, Protocol

import gevent
import msgspec
import structlog
from gevent import subprocess

from event_tracker.collector import metrics
from event_tracker.collector.tracking_plan.budgets import FREE_SECONDS, SCHEMA_SECONDS, Budgets
from event_tracker.collector.tracking_plan.checker import LENGTH, CheckRequest, framed, read_result
from event_tracker.collector.tracking_plan.lru import LruCache
from event_tracker.collector.tracking_plan.set_aside import SetAsideSchemas
from event_tracker.core.concurrency_limit import ConcurrencyLimit, NoTurnError
from event_tracker.model.schema_checks import Check, Violation

log = structlog.get_logger("collector.slow_checks")

CHECK_SECONDS = 2.0
"""How long one check may take before the process is killed."""

START_SECONDS = 30.0
QUEUE_SECONDS = 5.0
"""How long a check waits for the checks of others."""

MAX_BYTES = 64 * 1024 * 1024
"""Estimated bytes of all schemas in the process."""

NOBODY = ""
"""Not a source's name: starting the process takes a turn, too."""

_write = msgspec.json.Encoder().encode


class UncheckedError(Exception):
    """The schema is set aside, so the event isn't checked against it."""


class BusyError(Exception):
    """Checks of other sources take all the time at present; try again later."""


class _LateError(Exception):
    """The process didn't answer in time."""


class SchemaIdentity(Protocol):
    """What identifies a schema, compiled or not."""

    @property
    def version(self) -> int:
        """Its version."""

    @property
    def number(self) -> int:
        """Its number in this process."""


class SlowChecks:
    """Runs the process, and counts the time of its checks.

    Attributes:
        set_aside: which schemas are set aside.
    """

    def __init__(self) -> None:
        self.set_aside = SetAsideSchemas()
        self._process: subprocess.Popen[bytes] | None = None
        self._known = LruCache(MAX_BYTES)
        self._limit = ConcurrencyLimit()
        self._budgets = Budgets()

    def find(self, source: str, event_type: str, check: Check, properties: dict[str, Any]) -> list[Violation]:
        """What is wrong with an event's properties.

        Raises:
            UncheckedError: if its schema is set aside, or the check took too long.
            BusyError: if the check got no turn in time.
        """
        self.require_time(source, event_type, check)
        try:
            with self._limit.take(source, QUEUE_SECONDS):
                self.require_time(source, event_type, check)  # the budget may be used up meanwhile
                seconds, found = self._ask(source, check, properties)
                self.charge(source, event_type, check, seconds)
        except NoTurnError:
            metrics.CHECKS_BUSY.inc()
            raise BusyError from None
        if found is None:
            raise UncheckedError
        return found

    def is_set_aside(self, source: str, check: SchemaIdentity) -> bool:
        """Whether a source's schema is set aside."""
        return self._budgets.is_used_up(source, check.number)

    def require_time(self, source: str, event_type: str, schema: SchemaIdentity) -> None:
        """Return unless a source's schema is set aside.

        Raises:
            UncheckedError: if it is.
        """
        until = self._budgets.used_up_until(source, schema.number)
        if until > -math.inf:
            self.set_aside.add(source, event_type, schema.version, until)
            raise UncheckedError

    def charge(self, source: str, event_type: str, check: Check, seconds: float) -> None:
        """Count the time of a check, in either process; set the schema aside if its budget is used up."""
        if self._budgets.charge(source, check.number, seconds):
            metrics.SCHEMAS_SET_ASIDE.inc()
            until = self._budgets.used_up_until(source, check.number)
            self.set_aside.add(source, event_type, check.version, until)
            log.warning(
                "a schema is set aside for a while: its large events pass unchecked, since checking them takes too long",
                source=source,
                event_type=event_type,
                version=check.version,
            )

    def start(self) -> None:
        """Start the process if it doesn't run yet, so that the first check need not wait for it."""
        if self._process is None:
            with suppress(NoTurnError), self._limit.take(NOBODY, QUEUE_SECONDS):
                self._start()

    def close(self) -> None:
        """End the process."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._known.clear()

    def _ask(self, source: str, check: Check, properties: dict[str, Any]) -> tuple[float, list[Violation] | None]:
        """How long the check took, and the violations; None if it took too long.

        A check that is answered is charged its processor time, which other programs don't increase. A check that is aborted
        is charged all the time until a new process is ready.
        """
        self._start()
        if self._process is None:
            return FREE_SECONDS + SCHEMA_SECONDS, None
        schema = None if check.number in self._known else check.schema
        forgotten = self._known.use(source, check.number, check.examined.memory)
        request = CheckRequest(check.number, schema, msgspec.Raw(_write(properties)), forgotten)
        began = time.monotonic()
        try:
            result = self._exchange(framed(request), CHECK_SECONDS)
        except (_LateError, OSError, EOFError):
            self.close()
            self._start()
            return FREE_SECONDS + max(SCHEMA_SECONDS, time.monotonic() - began), None
        except BaseException:  # the waiting greenlet was killed: the next one would read this result
            self.close()
            raise
        return result.seconds, result.found

    def _start(self) -> None:
        """Make sure that the process runs, if it can be started."""
        if self._process and self._process.poll() is None:
            return
        self.close()
        try:
            self._launch()
        except (_LateError, OSError, EOFError) as error:
            self.close()
            log.warning("can't start the process for slow checks", error=type(error).__name__)
        except BaseException:
            self.close()
            raise

    def _launch(self) -> None:
        # Without the environment: it has secrets, and the process needs none of it.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "event_tracker.collector.tracking_plan.checker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            bufsize=0,
        )
        self._exchange(b"", START_SECONDS)

    def _exchange(self, request: bytes, seconds: float) -> Any:
        assert self._process
        with gevent.Timeout(seconds, _LateError):
            _write_all(self._process.stdin, request)
            head = _read_all(self._process.stdout, LENGTH.size)
            return read_result(_read_all(self._process.stdout, *LENGTH.unpack(head)))


def _write_all(pipe: Any, content: bytes) -> None:
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[pipe.write(remaining) :]


def _read_all(pipe: Any, size: int) -> bytes:
    pieces = bytearray()
    while len(pieces) < size:
        piece = pipe.read(size - len(pieces))
        if not piece:
            raise EOFError
        pieces += piece
    return bytes(pieces)
