"""A service of one small answer that prints which of our methods gunicorn calls: `python traced_service.py PORT`.

It answers with the request's body.
"""

import functools
import os
import sys
from types import SimpleNamespace
from typing import Any

from event_tracker.core.server import gevent_patch, http1, run, worker  # isort: skip  # gevent_patch comes first
from event_tracker.core.http.connections import read_body
from event_tracker.core.http.middleware import Middleware, answer
from event_tracker.core.logs import configure_logs

assert gevent_patch

CLASSES = (
    worker.DrainingWorker,
    http1.Http1Worker,
    http1.BoundedRequest,
    http1.OneWriteResponse,
    run.PropagatingLogger,
    run.Server,
)
"""Our classes that are made from gunicorn's."""


def replaced() -> set[str]:
    """What our classes have in place of gunicorn's, as CLASS.METHOD."""
    return {
        f"{cls.__name__}.{name}"
        for cls in CLASSES
        for name, value in vars(cls).items()
        if callable(value)
        and name != "__init__"
        and any(name in vars(base) for base in cls.__mro__ if base.__module__.startswith("gunicorn."))
    }


def trace(cls: type, name: str) -> None:
    """Print each call of a method."""
    method = getattr(cls, name)

    @functools.wraps(method)
    def traced(*args: Any, **options: Any) -> Any:
        os.write(1, f"{cls.__name__}.{name}\n".encode())
        return method(*args, **options)

    setattr(cls, name, traced)


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the request's body."""
    return answer(start_response, 200, read_body(environ, 100_000, 10), "text/plain")


def main(port: str) -> None:
    """Serve until SIGTERM."""
    settings: Any = SimpleNamespace(
        host="127.0.0.1",
        port=int(port),
        health_port=0,
        reuse_port=False,
        connections=10,
        keepalive_seconds=5,
        drain_seconds=0,
        log_level="info",
    )
    configure_logs("traced", "info")
    for cls in CLASSES:
        for name in [name for name in vars(cls) if f"{cls.__name__}.{name}" in replaced()]:
            trace(cls, name)
    run._hold_sigterm_over_forks()
    middleware = functools.partial(Middleware, echo, most_held=1_000_000, drain=lambda: None, close=lambda: None)
    run.Server(middleware, settings).run()


if __name__ == "__main__":
    main(sys.argv[1])
