"""Runs processes of `sandbox`, one a statement. One is always ready, since starting it takes longer than most statements."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import gevent
import msgspec
import structlog
from gevent import subprocess

from event_tracker.columns.engine import Deadline
from event_tracker.core.http.errors import Problem
from event_tracker.query.sql.sandbox.messages import Data, Needs, Refusal, Result, StatementRequest
from event_tracker.query.sql.sandbox.problems import TOO_LARGE

Message = TypeVar("Message")

LINE_BYTES = 2**22
"""The longest message. Columns of an answer have names of any length."""

READ_BYTES = 2**16

log = structlog.get_logger("sql")


class _LateError(Exception):
    """The process didn't answer in time."""


class Sandbox:
    """A process. It is killed when the block of `Sandboxes.open` ends."""

    def __init__(self) -> None:
        # Without the environment: it has secrets, and the process needs none of it. -I: nor what is in the working folder.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-m", "event_tracker.query.sql.sandbox"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            bufsize=0,
        )
        self._stdin: Any = self._process.stdin
        self._stdout: Any = self._process.stdout
        self._read = bytearray()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: StatementRequest, deadline: Deadline) -> Needs:
        """Send the statement, and get what it reads.

        Raises:
            Problem: 422 if it may not be run, or the process ended; 504 after the deadline.
        """
        return self._exchange(request, Needs, deadline)

    def run(self, data: Data, deadline: Deadline) -> tuple[Result, bytes]:
        """The answer, over the data that it asked for.

        Raises:
            Problem: as `ask`.
        """
        result = self._exchange(data, Result, deadline)
        with _until(deadline):
            while len(self._read) < result.length:
                self._receive()
        return result, bytes(self._read)

    def kill(self) -> None:
        """End it, whatever it does."""
        with suppress(OSError):
            self._process.kill()
        self._process.wait()
        for pipe in (self._stdin, self._stdout):
            with suppress(OSError):
                pipe.close()

    def _exchange(self, message: Any, kind: type[Message], deadline: Deadline) -> Message:
        with _until(deadline):
            self._send(msgspec.json.encode(message) + b"\n")
            line = self._receive_line()
        answered = msgspec.json.decode(line, type=kind | Refusal)
        if isinstance(answered, Refusal):
            raise make_problem(answered)
        return answered  # type: ignore[no-any-return]

    def _send(self, content: bytes) -> None:
        remaining = memoryview(content)
        try:
            while remaining:
                remaining = remaining[self._stdin.write(remaining) :]
        except OSError:
            raise _ended() from None

    def _receive_line(self) -> bytes:
        while b"\n" not in self._read:
            if len(self._read) > LINE_BYTES:
                raise Problem(422, "answer_too_large", "The names of the columns are too long.")
            self._receive()
        line, _, rest = self._read.partition(b"\n")
        self._read = rest
        return bytes(line)

    def _receive(self) -> None:
        received = self._stdout.read(READ_BYTES)
        if not received:
            log.info("a process of SQL has ended", code=self._process.wait())
            raise _ended()
        self._read += received


class Sandboxes:
    """Starts processes, and keeps one ready."""

    def __init__(self) -> None:
        self._spare: Sandbox | None = None
        self._is_starting = self._closed = False

    @contextmanager
    def open(self) -> Iterator[Sandbox]:
        """A process for the block."""
        sandbox, self._spare = self._spare, None
        if sandbox is None or not sandbox.is_running:
            if sandbox:
                sandbox.kill()
            sandbox = Sandbox()
        gevent.spawn(self.prepare)
        try:
            yield sandbox
        finally:
            sandbox.kill()

    def prepare(self) -> None:
        """Start a process for the next statement, unless one is ready or starting."""
        if self._spare or self._is_starting or self._closed:
            return
        self._is_starting = True
        try:
            started = Sandbox()
        except OSError as error:
            log.warning("no process for SQL can be started", error=type(error).__name__)
            return
        finally:
            self._is_starting = False
        self._keep(started)

    def _keep(self, started: Sandbox) -> None:
        if self._closed:  # meanwhile
            started.kill()
        else:
            self._spare = started

    def close(self) -> None:
        """End the one that is ready."""
        self._closed = True
        if self._spare:
            self._spare.kill()
            self._spare = None


def make_problem(refusal: Refusal) -> Problem:
    """The answer to a statement that was refused or failed."""
    where: dict[str, Any] = {"line": refusal.line, "column": refusal.column} if refusal.line else {}
    at = f" (line {refusal.line}, column {refusal.column})" if refusal.line else ""
    codes = {"not_allowed": "sql_not_allowed", "failed": "sql_failed"}
    return Problem(422, codes.get(refusal.code, refusal.code), f"{refusal.detail}{at}", **where)


def _ended() -> Problem:
    """What DuckDB doesn't count can't be allocated: then the process ends. Not a 503: the same statement would end it again."""
    return Problem(422, "too_large", TOO_LARGE)


@contextmanager
def _until(deadline: Deadline) -> Iterator[None]:
    try:
        with gevent.Timeout(max(deadline.remaining, 0.001), _LateError):
            yield
    except _LateError:
        raise deadline.problem() from None
