"""A process that `tracker up` starts: it logs to a file, doesn't get the terminal's Ctrl-C, and doesn't outlive `up`."""

import ctypes
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import click

from event_tracker.cli.local.system_account import Account

PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>."""

STOP_SECONDS = 30
"""How long a process may take to stop: longer than a service needs for its last requests."""

TAIL_LINES = 10


class Process:
    """A context manager that starts the process on entering and stops it on leaving.

    Args:
        name: its name in messages, such as "the collector".
        command: the program and its arguments.
        log: the file for its output. The log of an earlier run is renamed to `….1`.
        stop_signal: the signal that asks it to stop.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        account: Account | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name, self.log = name, log
        self._command, self._environment, self._account = command, environment, account
        self._stop_signal = stop_signal
        self._stop_sent = False

    def __enter__(self) -> Self:
        if self.log.exists():
            self.log.replace(f"{self.log}.1")
        with open(self.log, "wb", opener=_private) as output:
            self._process = subprocess.Popen(  # noqa: S603
                self._command,
                env=self._environment,
                user=self._account.uid if self._account else None,
                group=self._account.gid if self._account else None,
                extra_groups=[] if self._account else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_signalled_with_parent(self._stop_signal),  # safe: there are no threads
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.ask_to_stop()
        if self.wait(STOP_SECONDS) is None:
            self._kill_group()
            self._process.wait()

    def ask_to_stop(self) -> None:
        """Send the stop signal, and don't wait for the end. Only the first call sends it."""
        if not self._stop_sent and self.wait(0) is None:
            self._process.send_signal(self._stop_signal)
        self._stop_sent = True

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for its end. Return the exit code, negative if a signal ended it, or None if it still runs."""
        if self._process.returncode is None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
                self._kill_group()  # workers whose parent was killed. Now, while no other group can have this number
        return self._process.returncode

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def require_running(self) -> None:
        """Raise the error of `failure` if the process has ended."""
        if self.wait(0) is not None:
            raise self.failure()

    def failure(self) -> click.ClickException:
        """An error that says how the process ended, with the end of its log."""
        code = self._process.returncode
        ended = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"stopped, exit code {code}"
        with self.log.open(errors="replace") as lines:
            tail = "".join(f"  {line}" for line in deque(lines, TAIL_LINES)).rstrip()
        return click.ClickException(f"{self.name} {ended}. The end of {self.log}:\n{tail or '  (empty)'}")


def _signalled_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """A function for a new process to run first. It makes the system send a signal when the parent dies, even by `kill -9`.

    Returns:
        None on other systems than Linux.
    """
    if sys.platform != "linux":
        return None
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return ask


def _private(path: str, flags: int) -> int:
    """Open a file so that only its owner may read it."""
    return os.open(path, flags, 0o600)
