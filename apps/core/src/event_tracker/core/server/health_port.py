"""A port that answers /livez and /readyz only, in the process that watches the worker.

Nothing that the worker is busy with delays these answers: neither its event loop, nor its connections, nor its interpreter lock.
An orchestrator that gets no answer ends the instance, and with it the requests of everybody.
"""

import mmap
import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import gevent
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

CLIENT_SECONDS = 1.0
"""How long a connection may take, from being accepted to the last byte of its answer."""

MAX_CONNECTIONS = 200

PATHS = frozenset({"/livez", "/readyz"})
TEXTS = {True: ("200 OK", b'{"status":"ok"}'), False: ("503 Service Unavailable", b'{"status":"failing"}')}
UNKNOWN = ("404 Not Found", b'{"status":"unknown path"}')


class Readiness:
    """Whether the worker accepts work, in memory that it shares with the process that watches it."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def set(self, is_ready: bool) -> None:
        """Called in the worker; and before it is forked, since it isn't ready then."""
        self._shared[0] = is_ready

    def get(self) -> bool:
        """Called in the process that watches the worker."""
        return bool(self._shared[0])


class HealthPort:
    """Serves the port from gunicorn's arbiter. That waits by gevent's functions, so greenlets run meanwhile.

    The worker is alive if it has reported within gunicorn's time-out; after that, the arbiter replaces it.

    Args:
        readiness: what the worker says of itself.
    """

    def __init__(self, host: str, port: int, readiness: Readiness) -> None:
        self._address = (host, port)
        self._readiness = readiness
        self._arbiter: Any = None
        self._server: BoundedServer | None = None

    def start(self, arbiter: Any) -> None:
        """Listen. gunicorn calls it before it forks the worker."""
        self._arbiter = arbiter
        self._server = BoundedServer(self._address, self._respond, log=None, spawn=Pool(MAX_CONNECTIONS))
        try:
            self._server.start()
        except OSError as error:
            sys.exit(
                f"HEALTH_PORT: can't listen on {self._address[0]}:{self._address[1]}: {os.strerror(error.errno or 0)}"
            )

    def close(self, arbiter: Any, worker: Any) -> None:
        """Leave the port to the arbiter. gunicorn calls it in the worker, to which all was copied."""
        if self._server:
            self._server.stop(timeout=0)

    def expect_worker(self, arbiter: Any, worker: Any) -> None:
        """gunicorn calls it before it forks a worker."""
        self._readiness.set(False)

    def _respond(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, body = self._check(environ.get("PATH_INFO", ""))
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
        start_response(status, headers)
        return [body]

    def _check(self, path: str) -> tuple[str, bytes]:
        if path not in PATHS:
            return UNKNOWN
        return TEXTS[self._is_alive() and (path == "/livez" or self._readiness.get())]

    def _is_alive(self) -> bool:
        now = time.monotonic()
        workers = list(self._arbiter.WORKERS.values())
        return all(now - worker.tmp.last_update() <= self._arbiter.timeout for worker in workers)


class BoundedServer(WSGIServer):
    """Gives each connection a bounded time, so that clients that send or read nothing don't keep others out for long."""

    def handle(self, sock: Any, address: Any) -> None:
        with suppress(gevent.Timeout), gevent.Timeout(CLIENT_SECONDS):
            super().handle(sock, address)
