"""Starts the services that are measured: ours, the no-op and the peer."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import requests

from bench import BENCH, ROOT
from bench.contest import say
from bench.postgres import Postgres
from bench.release import TODAY, Release
from event_tracker.cli.database.bootstrap import SCOPES, register_token, register_write_key
from event_tracker.cli.local.secret_files import make_signing_key
from event_tracker.core.secrets.keys import make_key

EXPRESS = BENCH / "peers" / "express"

START_SECONDS = 60
STOP_SECONDS = 20

PROBES = 20
"""The number of new connections that must all be answered: the kernel assigns them to the port's processes at random."""


@dataclass
class Service:
    """One or more processes that answer on one port.

    Attributes:
        processes: how many answer requests.
        pids: the processes started, each with its own workers below it.
        headers: what every request needs: the key or the token.
    """

    name: str
    processes: int
    url: str
    started: list[subprocess.Popen[bytes]]
    log: Path
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self.started]

    def wait_ready(self, children: int) -> None:
        """Wait until every process has so many `children`, and the port answers."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and all(process.poll() is None for process in self.started):
            if all(len(psutil.Process(pid).children()) >= children for pid in self.pids) and self._answers():
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} doesn't get ready:\n{self.log.read_text()[-2000:]}")

    def _answers(self) -> bool:
        try:
            return all(requests.get(f"{self.url}/readyz", timeout=5).ok for _ in range(PROBES))
        except requests.RequestException:
            return False

    def stop(self) -> None:
        """SIGTERM; after a while, SIGKILL. Each process leads a group that holds nothing but its own workers."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.started:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            # Workers end with their parent. If one doesn't, this ends it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    """A port that nothing listens on at present."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Services:
    """A context manager that starts services and stops them all at the end."""

    def __init__(self, postgres: Postgres, logs: Path) -> None:
        self.postgres, self.logs = postgres, logs
        self._running: list[Service] = []

    def __enter__(self) -> "Services":
        return self

    def __exit__(self, *_: object) -> None:
        for service in self._running:
            service.stop()

    def noop(self, processes: int) -> Service:
        return self._python("bench.noop", "Flask no-op", processes, {})

    def collector(
        self, processes: int, database: str, release: Release = TODAY, *, name: str = "", kafka: Mapping[str, str] = {}
    ) -> Service:
        """Start a collector that requires a write key, as in production. `kafka` has the settings of brokers."""
        key = make_key("wk").key
        with psycopg.connect(self.postgres.url(database), autocommit=True) as connection:
            register_write_key(connection, "bench", key)
        settings = {"DATABASE_URL": self.postgres.url(database, "collector"), **kafka}
        service = self._python("event_tracker.collector", name or release.name, processes, settings, release)
        service.headers["X-Write-Key"] = key
        return service

    def query(self, processes: int, database: str, release: Release = TODAY) -> Service:
        """Start a query service that requires a token. Slow answers are answers, too."""
        token = make_key("rt").key
        with psycopg.connect(self.postgres.url(database), autocommit=True) as connection:
            register_token(connection, "bench", token, SCOPES["READ_TOKEN"])
        settings = {
            "DATABASE_URL": self.postgres.url(database, "query"),
            "CONTROL_DATABASE_URL": self.postgres.url(database, "control"),
            "SIGNING_KEY": make_signing_key(),
            "STATEMENT_SECONDS": "300",
        }
        service = self._python("event_tracker.query", release.name, processes, settings, release)
        service.headers["Authorization"] = f"Bearer {token}"
        return service

    def storer(self, database: str, kafka: Mapping[str, str]) -> Service:
        """Start a storer. Its URL is that of its metrics."""
        port = free_port()
        settings = {"DATABASE_URL": self.postgres.url(database, "collector"), "METRICS_PORT": str(port), **kafka}
        command = [sys.executable, "-m", "event_tracker.streams.storer"]
        return self._start(command, ROOT, settings, "storer", 1, port, 1, children=0)

    def express(self, processes: int, database: str) -> Service:
        port = free_port()
        settings = {
            "PORT": str(port),
            "PROCESSES": str(processes),
            "NODE_ENV": "production",
            **self.postgres.environment(database),
        }
        # A single Node.js process has no children.
        children = processes if processes > 1 else 0
        return self._start(["node", "server.js"], EXPRESS, settings, "Express + pg", processes, port, 1, children)

    def _python(
        self, module: str, name: str, processes: int, settings: dict[str, str], release: Release = TODAY
    ) -> Service:
        """Start so many processes of one worker each, which is how the services are scaled."""
        port = free_port()
        common = {"AUTH": "required", "PORT": str(port), "REUSE_PORT": str(processes > 1).lower(), "DRAIN_SECONDS": "0"}
        command = [release.python, "-m", module]
        # gunicorn's arbiter binds, then forks its worker.
        return self._start(
            command, release.folder, {**common, **settings}, name, processes, port, processes, children=1
        )

    def _start(
        self,
        command: list[str],
        folder: Path,
        settings: dict[str, str],
        name: str,
        processes: int,
        port: int,
        copies: int,
        children: int,
    ) -> Service:
        log = self.logs / f"{command[-1]}-{port}.log"
        service = Service(name, processes, f"http://127.0.0.1:{port}", [], log)
        self._running.append(service)
        with log.open("ab") as output:
            for _ in range(copies):
                service.started.append(
                    subprocess.Popen(
                        command,
                        cwd=folder,
                        env={**os.environ, **settings},
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        # Ctrl-C in the terminal reaches the benchmark alone, which then stops the services in order.
                        start_new_session=True,
                    )
                )
        service.wait_ready(children)
        return service


def install_express() -> bool:
    """Install the peer's packages, once. If that fails, print it and return False."""
    if not (shutil.which("node") and shutil.which("npm")):
        say("! NO PEER: node and npm aren't there (Debian, Ubuntu: apt install nodejs npm); its rows are left out")
        return False
    if (EXPRESS / "node_modules" / "pg").is_dir():
        return True
    say("installing the peer's packages")
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=EXPRESS, capture_output=True, text=True, timeout=300)
    if done.returncode:
        say(f"! NO PEER: npm install failed; its rows are left out\n{done.stderr[-1000:]}")
    return done.returncode == 0
