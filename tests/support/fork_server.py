"""Imports modules, then forks a process that runs one of them, at each request over a socket: see forks.py.

Run as `fork_server.py DESCRIPTOR MODULE…`. A request is the length of its JSON (8 bytes), a byte with four descriptors (the input, the
output, the output of errors, and a pipe for the exit code), and the JSON; the answer is the process id (8 bytes).
"""

# The functions for waiting are imported before a module lets gevent replace them: gevent's event loop must start in children only.
import atexit
import gc
import json
import os
import runpy
import signal
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from os import fork, waitpid, waitstatus_to_exitcode
from signal import pthread_sigmask
from signal import signal as set_handler
from socket import recv_fds, socket
from typing import Any

ended: dict[int, int] = {}
"""By process id, the pipe that wants its exit code."""


def reap(*_: Any) -> None:
    """Report the exit codes of all children that have ended."""
    while True:
        try:
            pid, status = waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        pipe = ended.pop(pid)
        with suppress(BrokenPipeError):  # nobody waits for it any more
            os.write(pipe, str(waitstatus_to_exitcode(status)).encode())
        os.close(pipe)


def receive(connection: socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next request, and its descriptors; None at the end."""
    size = connection.recv(8)
    if not size:
        return None
    _, descriptors, _, _ = recv_fds(connection, 1, 4)
    job = b""
    while len(job) < int.from_bytes(size, "big"):
        job += connection.recv(65536)
    return json.loads(job), descriptors


def serve(connection: socket) -> str | None:
    """Fork at each request. In a child, which is set up as requested, return the module to run. In the parent, None at the end."""
    set_handler(signal.SIGCHLD, reap)
    while request := receive(connection):
        job, (*streams, pipe) = request
        pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = fork()
        if not pid:
            become(job, streams)
            for one in (connection.fileno(), *streams, pipe, *ended.values()):
                os.close(one)
            connection.detach()
            pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            return str(job["module"])
        ended[pid] = pipe
        pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        for one in streams:
            os.close(one)
        connection.sendall(pid.to_bytes(8, "big"))
    return None


def become(job: dict[str, Any], streams: list[int]) -> None:
    """Set up what a new process would have: session, signals, folder, input and outputs, environment, arguments."""
    os.setsid()
    set_handler(signal.SIGCHLD, signal.SIG_DFL)
    set_handler(signal.SIGINT, signal.default_int_handler)
    os.chdir(job["folder"])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(job["environment"])
    time.tzset()
    sys.argv = [job["module"], *job["arguments"]]
    sys.path.insert(0, job["folder"])  # as `python -m` does


def finish(end: SystemExit) -> None:
    """End as Python does, but for freeing each object: that would copy all of the memory that is shared with the fork server."""
    if end.code is not None and not isinstance(end.code, int):
        print(end.code, file=sys.stderr)
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, and has no public name
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))


if __name__ == "__main__":
    connection = socket(fileno=int(sys.argv[1]))
    for name in sys.argv[2:]:
        import_module(name)
    gc.collect()
    gc.freeze()  # a child's garbage collector would write to each of these objects, and so copy all of the memory
    if module := serve(connection):
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            finish(end)
        finish(SystemExit())
