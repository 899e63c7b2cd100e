"""Starts our services, and the command line (commands.py), by forking a process that has imported their modules: a tenth of the time.

Such a service runs the same module as `python -m` does, with the given environment, folder, output and signals. Two things
differ: the arbiter has the worker's modules in memory too, and the system shows the fork server's command line.
`forked=False` of servers.launching starts a service without this, and so does `make coverage`.
"""

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from signal import SIGKILL, SIGTERM
from socket import send_fds, socketpair
from typing import IO

IMPORTS = {
    "collector": (
        "event_tracker.core.server.gevent_patch",
        "event_tracker.core.server.run",
        "event_tracker.collector.app",
    ),
    "query": ("event_tracker.core.server.gevent_patch", "event_tracker.core.server.run", "event_tracker.query.app"),
    "dashboard": ("event_tracker.dashboard.web.server", "event_tracker.dashboard.pages.overview"),
    "cli": (
        "event_tracker.cli.commands",
        "event_tracker.cli.database.migrate",
        "event_tracker.cli.database.maintain",
        "event_tracker.cli.database.admins",
        "event_tracker.cli.admin.sources",
        "event_tracker.cli.admin.write_keys",
        "event_tracker.cli.admin.tokens",
        "event_tracker.cli.admin.event_schemas",
        "event_tracker.cli.admin.erase",
    ),
}
"""What each service, or the command line, has imported when it is ready, in this order: gevent's patch must be the first, if it is there.
The command line imports what else a command needs after the fork."""

MEASURED = "COVERAGE_PROCESS_CONFIG" in os.environ or "COVERAGE_PROCESS_START" in os.environ
"""Whether coverage is measured. It starts with a process, so it can't measure a forked one."""

UNKNOWN = 255
"""The exit code of a service that outlived its fork server."""


class ForkServer:
    """A process of `fork_server.py` for one kind of service."""

    def __init__(self, service: str) -> None:
        ours, theirs = socketpair()
        self._lock = threading.Lock()
        self._socket = ours
        self._module = f"event_tracker.{service}"
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    Path(__file__).with_name("fork_server.py"),
                    str(theirs.fileno()),
                    *IMPORTS[service],
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C ends the tests, and they end it
            )

    def start(
        self,
        environment: Mapping[str, str],
        output: IO[bytes],
        *,
        arguments: Sequence[str] = (),
        given: IO[bytes] | None = None,
        errors: IO[bytes] | None = None,
    ) -> "Forked":
        """Run the service as the leader of a session of its own.

        Args:
            arguments: of its command line.
            given: its input. None is empty.
            errors: the output of errors. None is `output`.
        """
        job = {
            "module": self._module,
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": os.getcwd(),
        }
        status, theirs = os.pipe()
        try:
            with self._lock, open(os.devnull, "rb") as nothing:
                streams = [given or nothing, output, errors or output]
                self._send(json.dumps(job).encode(), [*(stream.fileno() for stream in streams), theirs])
                pid = int.from_bytes(self._socket.recv(8), "big")
        finally:
            os.close(theirs)
        if not pid:
            os.close(status)
            raise ChildProcessError(f"the fork server of {self._module} has ended")
        return Forked(pid, status)

    def _send(self, job: bytes, descriptors: list[int]) -> None:
        self._socket.sendall(len(job).to_bytes(8, "big"))
        send_fds(self._socket, [b"\0"], descriptors)
        self._socket.sendall(job)


class Forked:
    """A service that a fork server started. It is used like subprocess.Popen."""

    def __init__(self, pid: int, status: int) -> None:
        """Args: status: a pipe from which the exit code can be read once it has ended."""
        self.pid = pid
        self.returncode: int | None = None
        self._status = status
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None if it still runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code. Raises subprocess.TimeoutExpired."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"pid {self.pid}", timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(SIGTERM)

    def kill(self) -> None:
        self.send_signal(SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        # As with Popen: while another thread waits, poll says that the process still runs.
        if self._lock.acquire(timeout=-1 if timeout is None else timeout):
            try:
                if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
                    said = os.read(self._status, 16)
                    os.close(self._status)
                    self.returncode = int(said) if said else UNKNOWN
            finally:
                self._lock.release()
        return self.returncode


@cache
def fork_server(service: str) -> ForkServer:
    """This process's fork server for one service. It ends with this process, when its socket is closed."""
    return ForkServer(service)
