"""Checks and hashes passwords. Wrong ones are counted, and lock the name for a while."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import psycopg
from gevent.lock import BoundedSemaphore

from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool, execute
from event_tracker.core.secrets.passwords import hash_password, is_password
from event_tracker.query import metrics
from event_tracker.query.auth.audit_writer import write_audit

QUERIES = load_queries("event_tracker.query.auth")

FREE_FAILURES = 5
LONGEST_LOCK = 900.0
FORGOTTEN_SECONDS = 3600.0
MAX_FAILURES = 100
"""Lock-out: the fifth wrong password in a row locks the name for a second. Each further one doubles the time, up to 15 minutes.
After an hour without wrong passwords the count is reset, and it stops at MAX_FAILURES. This allows fewer than 150 guesses a
day, and an attacker locks a person out for 15 minutes at most (OWASP ASVS 5.0, 6.3.1)."""

MAX_WRONG_CURRENT = 5
"""So many wrong current passwords end a sign-in. They are counted for each sign-in: guesses at `/auth/sign-in` don't keep a
person from changing their password, and a stolen sign-in allows no more guesses than this (OWASP ASVS 5.0, 6.3.1)."""

HASHES_AT_ONCE = 2
"""Passwords hashed at once; each takes 64 MiB."""

TURN_SECONDS = 5.0
"""How long a request waits until it may hash."""

MAX_WAITING = 100
"""Requests that wait at once until they may hash: nearly as many as can be served within TURN_SECONDS. The turns of all requests are
limited, and guessers must not hold them."""

MAX_AUDITED = 60
"""Wrong passwords that one process writes into the audit log per minute."""


class Passwords:
    """Checks passwords and hashes new ones."""

    def __init__(self, control: ConnectionPool[psycopg.Connection]) -> None:
        self._control = control
        self._hashing = BoundedSemaphore(HASHES_AT_ONCE)
        self._waiting = 0
        self._minute = self._audited = 0

    def check(self, name: str, password: str, use: Callable[[str], Any]) -> Any:
        """Check a password. Returns what `use` returns; None for a wrong password, which is counted for the name.

        Args:
            use: called with the stored hash of the right password. It returns None or an empty list if the password was changed meanwhile.

        Raises:
            Problem: 429 while the name is locked, 503 while many are checked.
        """
        self._require_unlocked(name)
        with self._wait_for_slot():
            # Check again: others may have guessed while this request waited, one for each connection.
            self._require_unlocked(name)
            stored = self._find_right(name, password)
            used = use(stored) if stored else None
            if not used:
                self._count_failure(name)
        if not used:
            self._report_failure(name, "sign_in")
            return None
        self.forget_failures(name)
        return used

    def check_current(self, name: str, sign_in: str, password: str) -> str:
        """Check the current password of the person with this sign-in. Returns its stored hash.

        Raises:
            Problem: 403 for a wrong one (the last allowed one ends the sign-in), 503 while many are checked.
        """
        with self._wait_for_slot():
            # Counted before it is checked: otherwise concurrent requests would get more guesses.
            counted = self._execute("count_wrong_password", sign_in=sign_in, most=MAX_WRONG_CURRENT)
            stored = self._find_right(name, password) if counted else None
        if stored:
            self._execute("forget_wrong_passwords", sign_in=sign_in)
            return stored
        self._report_failure(name, "set_password")
        if counted and counted[0][0] < MAX_WRONG_CURRENT:
            raise Problem(403, "wrong_password", "The current password is wrong.")
        if self._execute("end_sign_in", prefix=sign_in):
            write_audit(self._control, name, "sign_in_ended", why="wrong_password")
        raise Problem(403, "wrong_password", "The current password is wrong, and this sign-in has ended.")

    def forget_failures(self, name: str) -> None:
        """Reset the count of wrong passwords: the person has proved who they are."""
        self._execute("forget_failures", name=name, forgotten=FORGOTTEN_SECONDS)

    def hash(self, password: str) -> str:
        """Hash a new password for storage.

        Raises:
            Problem: 503 while many are checked.
        """
        with self._wait_for_slot():
            hashed: str = _in_thread(hash_password, password)
            return hashed

    def _find_right(self, name: str, password: str) -> str | None:
        """The stored hash if the password is right, else None. An unknown name takes as long as a known one."""
        stored: str | None = next((found for (found,) in self._execute("find_password", name=name)), None)
        return stored if _in_thread(is_password, password, stored) else None

    def _execute(self, statement: str, **parameters: Any) -> list[Any]:
        return execute(self._control, QUERIES[statement], parameters)

    def _require_unlocked(self, name: str) -> None:
        for (seconds,) in self._execute("find_lock", name=name):
            raise Problem(
                429,
                "locked_out",
                "Too many wrong passwords were given for this name. Wait, and try again.",
                headers={"Retry-After": str(seconds)},
            )

    def _count_failure(self, name: str) -> None:
        limits = {"free": FREE_FAILURES, "longest": LONGEST_LOCK, "forgotten": FORGOTTEN_SECONDS, "most": MAX_FAILURES}
        self._execute("count_failure", name=name, **limits)

    def _report_failure(self, name: str, where: str) -> None:
        """Count a wrong password in the metrics and audit it, at most MAX_AUDITED per minute: guesses must not fill the audit log."""
        metrics.SIGN_IN_FAILURES.inc()
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._audited = minute, 0
        self._audited += 1
        if self._audited <= MAX_AUDITED:
            write_audit(self._control, name, f"{where}_failed")

    @contextmanager
    def _wait_for_slot(self) -> Iterator[None]:
        """Wait until fewer than HASHES_AT_ONCE hash at once.

        Raises:
            Problem: 503 after TURN_SECONDS, or at once if MAX_WAITING wait.
        """
        if self._waiting >= MAX_WAITING:
            raise _busy()
        self._waiting += 1
        try:
            if not self._hashing.acquire(timeout=TURN_SECONDS):
                raise _busy()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._hashing.release()


def _busy() -> Problem:
    return Problem(503, "sign_in_busy", "Too many passwords are being checked now. Wait, and try again.")


def _in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run the work in a thread. Hashing is slow and releases the interpreter lock, so other requests continue."""
    return gevent.get_hub().threadpool.apply(work, arguments)
