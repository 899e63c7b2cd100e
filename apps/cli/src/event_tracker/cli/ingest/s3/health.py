"""Serves metrics, whether the command is alive, and whether it has listed the bucket, over HTTP."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import click
from prometheus_client import make_wsgi_app

LIVE_SECONDS = 900
"""The longest pause between two steps: the collector may be tried again for minutes, and an object of Parquet is copied first."""


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *_: Any) -> None:
        """Log nothing."""


@contextmanager
def served(host: str, port: int, alive: Callable[[], float], is_ready: Callable[[], bool]) -> Iterator[None]:
    """Serve `/metrics`, `/livez` and `/readyz` until the end of the context.

    Args:
        alive: when the command last did something, by the monotonic clock.
        is_ready: whether the bucket could be listed.

    Raises:
        UsageError: if the port can't be used.
    """
    metrics: Any = make_wsgi_app()

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        checks = {"/livez": lambda: time.monotonic() - alive() < LIVE_SECONDS, "/readyz": is_ready}
        check = checks.get(environ["PATH_INFO"])
        if check is None:
            return metrics(environ, start_response)  # type: ignore[no-any-return]
        is_well = check()
        start_response("200 OK" if is_well else "503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"ok\n" if is_well else b"not ok\n"]

    try:
        server = make_server(host, port, answer, WSGIServer, _SilentHandler)
    except OSError as error:
        raise click.UsageError(f"Metrics can't be served on port {port}: {error.strerror}.") from None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
