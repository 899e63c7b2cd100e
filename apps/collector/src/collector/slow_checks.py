"""Checks of events that may take long: in a process of their own, and within a budget of time for each schema and source.

A schema that is over its budget is set aside for a while: its events are taken unchecked, and their sender is warned.
"""

import sys
import time
from collections.abc import Hashable
from typing import Any, NamedTuple

import gevent
import msgspec
import structlog
from gevent import subprocess
from gevent.lock import BoundedSemaphore

from collector import metrics
from collector.checker import LENGTH, Question, framed, read_answer
from manage.checks import Check, Violation

log = structlog.get_logger("collector.slow_checks")

WINDOW_SECONDS = 60.0
SCHEMA_SECONDS = 1.0
SOURCE_SECONDS = 5.0
"""Of the processor's time, in a window: what the slow checks of one schema may take, and those of all schemas of a source."""

FREE_SECONDS = 0.005
"""Of a check, that aren't counted: what an ordinary event takes, however large."""

CHECK_SECONDS = 2.0
"""How long one check may take, before the process is ended."""

START_SECONDS = 30.0
QUEUE_SECONDS = 5.0
"""How long a check waits for those of others."""

MOST_SCHEMAS = 200
"""That the process holds; before another one it begins afresh."""

_write = msgspec.json.Encoder().encode


class UncheckedError(Exception):
    """The schema is set aside, so that the event isn't held to it."""


class _LateError(Exception):
    """The process didn't answer in time."""


class _Used(NamedTuple):
    """Of a budget: how much of it is used up, and until when that counts."""

    seconds: float
    until: float


class SlowChecks:
    """The process, and what it was used for."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._known: set[int] = set()
        self._asking = BoundedSemaphore(1)
        self._used: dict[Hashable, _Used] = {}

    def find(self, source: str, event_type: str, check: Check, properties: dict[str, Any]) -> list[Violation]:
        """What is wrong with an event's properties.

        Raises:
            UncheckedError: if that can't be found out in the time that there is.
        """
        if self._is_over(source, check):
            raise UncheckedError
        if not self._asking.acquire(timeout=QUEUE_SECONDS):
            raise UncheckedError
        try:
            if self._is_over(source, check):  # meanwhile
                raise UncheckedError
            seconds, found = self._ask(check, properties)
        finally:
            self._asking.release()
        self._charge(source, check, max(0.0, seconds - FREE_SECONDS))
        if self._is_over(source, check):
            metrics.SCHEMAS_SET_ASIDE.inc()
            log.warning(
                "a schema is set aside for a while: its events pass unchecked, since checking them takes too long",
                source=source,
                event_type=event_type,
                version=check.version,
            )
        if found is None:
            raise UncheckedError
        return found

    def start(self) -> None:
        """Start the process if it doesn't run yet: the first check needn't wait for it then."""
        with self._asking:
            if self._process is None:
                try:
                    self._start()
                except (_LateError, OSError, EOFError) as error:
                    self.close()
                    log.warning("can't start the process for slow checks", error=type(error).__name__)

    def close(self) -> None:
        """End the process."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._known.clear()

    def _is_over(self, source: str, check: Check) -> bool:
        return self._used_of(source) >= SOURCE_SECONDS or self._used_of(check.number) >= SCHEMA_SECONDS

    def _used_of(self, key: Hashable) -> float:
        used = self._used.get(key)
        return used.seconds if used and time.monotonic() < used.until else 0.0

    def _charge(self, source: str, check: Check, seconds: float) -> None:
        if not seconds:
            return
        now = time.monotonic()
        self._used = {key: used for key, used in self._used.items() if now < used.until}
        for key in (source, check.number):
            used = self._used.get(key, _Used(0.0, now + WINDOW_SECONDS))
            self._used[key] = used._replace(seconds=used.seconds + seconds)

    def _ask(self, check: Check, properties: dict[str, Any]) -> tuple[float, list[Violation] | None]:
        """How long it took, and what was found; None if it took too long."""
        if len(self._known) >= MOST_SCHEMAS:
            self.close()
        try:
            if self._process is None:
                self._start()
            schema = None if check.number in self._known else check.schema
            self._known.add(check.number)
            question = Question(check.number, schema, msgspec.Raw(_write(properties)))
            answer = self._exchange(framed(question), CHECK_SECONDS)
        except (_LateError, OSError, EOFError):
            self.close()
            return SCHEMA_SECONDS + FREE_SECONDS, None
        except BaseException:  # whoever waited was stopped, so that the next one would get this answer
            self.close()
            raise
        return answer.seconds, answer.found

    def _start(self) -> None:
        # Without the environment: it has secrets, and nothing of it is needed.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "collector.checker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            bufsize=0,
        )
        self._exchange(b"", START_SECONDS)

    def _exchange(self, question: bytes, seconds: float) -> Any:
        assert self._process
        with gevent.Timeout(seconds, _LateError):
            _write_all(self._process.stdin, question)
            head = _read_all(self._process.stdout, LENGTH.size)
            return read_answer(_read_all(self._process.stdout, *LENGTH.unpack(head)))


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
