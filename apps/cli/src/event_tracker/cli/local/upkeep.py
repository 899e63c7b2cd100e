"""The upkeep of `tracker up`: `tracker maintain`, at the start and then every hour, in the background."""

import os
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from event_tracker.cli.local.process import Process

EVERY_SECONDS = 3600.0


class Upkeep:
    """A context manager that stops a run on leaving. A run that fails is in its log, and the next one tries again.

    Args:
        owner_url: of the database.
        data: the data folder: for the log, and for the files of a run.
    """

    def __init__(self, owner_url: str, data: Path) -> None:
        self._owner_url = owner_url
        self._log = data / "logs" / "upkeep.log"
        self._temporary = data / "upkeep"
        self._due = 0.0
        self._process: Process | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def ask_to_stop(self) -> None:
        """Ask the run to stop, if there is one, and don't wait for its end."""
        if self._process:
            self._process.ask_to_stop()

    def run_if_due(self) -> None:
        """Start a run if it is time and the one before has ended. Call this often."""
        if self._process and self._process.wait(0) is None:
            return
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + EVERY_SECONDS
            self._start()

    def _start(self) -> None:
        self._stack.close()
        # What a run has left that was killed.
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir(mode=0o700)
        given = {"DATABASE_URL": self._owner_url, "TMPDIR": str(self._temporary)}
        inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL_FILE"}
        command = [sys.executable, "-m", "event_tracker.cli", "maintain"]
        process = Process("the upkeep", command, self._log, environment=inherited | given)
        self._process = self._stack.enter_context(process)
