"""Serves the metrics of a process that answers no other requests, and its checks."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *_: Any) -> None:
        """Log nothing."""


@contextmanager
def serve_metrics(host: str, port: int, checks: Mapping[str, Callable[[], bool]]) -> Iterator[None]:
    """Serve `/metrics` and the checks until the end of the context, in a thread of its own.

    Args:
        checks: by path, such as `/livez`; 200 if it returns True, 503 otherwise.

    Raises:
        OSError: if the port can't be used.
    """
    metrics: Any = make_wsgi_app()

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        check = checks.get(environ["PATH_INFO"])
        if check is None:
            return metrics(environ, start_response)  # type: ignore[no-any-return]
        is_well = check()
        start_response("200 OK" if is_well else "503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"ok\n" if is_well else b"not ok\n"]

    server = make_server(host, port, answer, WSGIServer, _SilentHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
