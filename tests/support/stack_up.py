"""`tracker up`, started as in a terminal."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from ports import free_port

LAST_LINE = "Ctrl-C stops everything."


class Up:
    """One `tracker up`, with its output in a file."""

    def __init__(self, data: Path, *arguments: str, cwd: Path, **settings: str) -> None:
        self.data = data
        self.ports = {"collector": free_port(), "query": free_port(), "dashboard": free_port()}
        options = [f"--{name}-port={port}" for name, port in self.ports.items()]
        self._output = cwd / f"up-{time.monotonic_ns()}.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "event_tracker.cli", "up", "--data", str(data), *options, *arguments],
                cwd=cwd,
                env={**{name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}, **settings},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def collector(self) -> str:
        return f"http://127.0.0.1:{self.ports['collector']}"

    @property
    def query(self) -> str:
        return f"http://127.0.0.1:{self.ports['query']}"

    def wait_ready(self) -> "Up":
        deadline = time.monotonic() + 240
        while LAST_LINE not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)
        return self

    def running(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill(self, name: str) -> None:
        """kill -9 one of its own children. Grandchildren are left out: some, such as PostgreSQL's processes, end by themselves."""
        started = psutil.Process(self.process.pid).children()
        next(
            process
            for process in started
            if name in (process.name(), process.cmdline()[-1].removeprefix("event_tracker."))
        ).kill()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)
