"""A server that forks our services from one process which has imported them: they start in a tenth of the time.

A service so started runs the same module as `python -m` does, with the environment, folder, output and signals that it was
given. What differs: the arbiter holds the worker's modules too, and the command line that the system shows is the server's.
`forked=False` of servers.launching starts a service without this, and so does `make coverage`.
"""

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Mapping
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
}
"""What each service imports by the time that it serves, in that order: gevent must come first where it comes."""

UNKNOWN = 255
"""The exit code of what outlived its fork server."""


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

    def start(self, environment: Mapping[str, str], output: IO[bytes]) -> "Forked":
        """Run the service as the leader of a session of its own."""
        job = {"module": self._module, "environment": dict(environment), "folder": os.getcwd()}
        status, theirs = os.pipe()
        try:
            with self._lock:
                self._send(json.dumps(job).encode(), [output.fileno(), theirs])
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
    """What such a server started, used like subprocess.Popen."""

    def __init__(self, pid: int, status: int) -> None:
        """Args: status: a pipe from which the exit code can be read once it has ended."""
        self.pid = pid
        self.returncode: int | None = None
        self._status = status
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """The exit code, if it has ended; that of a signal is negative."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code once it has ended. Raises subprocess.TimeoutExpired."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"pid {self.pid}", timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        """Send one, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(SIGTERM)

    def kill(self) -> None:
        self.send_signal(SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        # As Popen does: who only looks while another thread waits is told that it still runs.
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
    """The server of this process for one service. It ends when this process does, as its socket then closes."""
    return ForkServer(service)
