"""Run a service under gunicorn: one gevent worker a process (docs/adr/0002-gevent-one-worker.md)."""

import os
import signal
import sys
from collections.abc import Callable
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, TypeVar

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from event_tracker.core.logs import configure_logs
from event_tracker.core.server.health_port import HealthPort
from event_tracker.core.server.worker import DrainingWorker
from event_tracker.core.settings import InvalidSettingsError, ServiceSettings

if TYPE_CHECKING:
    from event_tracker.core.http.middleware import Middleware

AnySettings = TypeVar("AnySettings", bound=ServiceSettings)

FINISH_SECONDS = 15
"""How long requests may take to finish after the drain: longer than any request's deadline."""

BACKLOG = 2048
REQUEST_LINE_BYTES = 8190
HEADER_FIELDS = 50
HEADER_BYTES = 8190


class PropagatingLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Leaves gunicorn's log lines to the root logger, which writes them as JSON."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers[:] = []
        self.error_log.propagate = True


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn, configured by our settings and by nothing else."""

    def __init__(self, factory: Callable[[], "Middleware"], settings: ServiceSettings) -> None:
        self.factory = factory
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        settings = self.settings
        options: dict[str, Any] = {
            "bind": f"{settings.host}:{settings.port}",
            "reuse_port": settings.reuse_port,
            "backlog": BACKLOG,
            "workers": 1,
            "worker_class": DrainingWorker,
            "worker_connections": settings.connections,
            "keepalive": settings.keepalive_seconds,
            "graceful_timeout": settings.drain_seconds + FINISH_SECONDS,
            "limit_request_line": REQUEST_LINE_BYTES,
            "limit_request_fields": HEADER_FIELDS,
            "limit_request_field_size": HEADER_BYTES,
            # No forwarded header is trusted, so that gunicorn need not check the peer's address at each request.
            "forwarded_allow_ips": "*",
            "forwarder_headers": "",
            "secure_scheme_headers": {},
            # It would make a socket in the home directory, which can't be written in a read-only container.
            "control_socket_disable": True,
            "accesslog": None,
            "loglevel": "warning" if settings.log_level == "info" else settings.log_level,
            "logger_class": PropagatingLogger,
        }
        if settings.health_port:
            health = HealthPort(settings.host, settings.health_port, DrainingWorker.readiness)
            options |= {"when_ready": health.start, "pre_fork": health.expect_worker, "post_fork": health.close}
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> "Middleware":
        return self.factory()


def serve(
    name: str,
    settings_class: type[AnySettings],
    create_app: str,
    check: Callable[[AnySettings], object] = lambda _: None,
) -> None:
    """Read the settings, configure the logs, serve until SIGTERM. If settings are wrong, exits and lists every mistake.

    Args:
        create_app: where the application's factory is, such as `event_tracker.collector.app:create_app`. Only the worker imports it, so
            that the process which watches the worker stays small.
        check: is called with the settings before anything is served, and may exit. It must leave no thread behind.
    """
    try:
        settings = settings_class.read()
    except InvalidSettingsError as error:
        sys.exit(f"{name}: these settings are wrong:\n{error}")
    configure_logs(name, settings.log_level)
    check(settings)
    DrainingWorker.drain_seconds = settings.drain_seconds
    _hold_sigterm_over_forks()
    Server(lambda: resolve_name(create_app)(settings), settings).run()


def _hold_sigterm_over_forks() -> None:
    """Block SIGTERM over each fork, until the new worker can act on it.

    Until then the worker has the arbiter's handlers, which would ignore a SIGTERM. The arbiter would wait until its time-out,
    and then kill the worker.
    """
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM}),
    )
