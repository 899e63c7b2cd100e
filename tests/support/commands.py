"""Runs the command `tracker` by forking a process that has imported it, which takes a tenth of the time.

For what a command says and does. Tests of its start, its signals, its memory or its terminal start one of their own.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from tempfile import TemporaryFile

from forks import MEASURED, fork_server


def run_tracker(
    *arguments: str, environment: Mapping[str, str], given: str = "", timeout: float = 120, forked: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run` does. `given` is its input. `forked=False` starts it as usual.

    Raises:
        subprocess.TimeoutExpired: it takes longer than `timeout`, in seconds. It is killed then.
    """
    command = [sys.executable, "-m", "event_tracker.cli", *arguments]
    if MEASURED or not forked:
        return subprocess.run(
            command, env=environment, input=given, capture_output=True, text=True, timeout=timeout, check=False
        )
    with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
        stdin.write(given.encode())
        stdin.seek(0)
        process = fork_server("cli").start(environment, stdout, arguments=arguments, given=stdin, errors=stderr)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        for file in (stdout, stderr):
            file.seek(0)
        return subprocess.CompletedProcess(command, code, stdout.read().decode(), stderr.read().decode())


def maintain(url: str) -> None:
    """Run `tracker maintain` on a database."""
    run_tracker("maintain", environment={**os.environ, "DATABASE_URL": url}).check_returncode()
