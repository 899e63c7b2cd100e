"""Serves the metrics of a command that runs for long, whether it is alive, and whether it is ready, over HTTP."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import click

from event_tracker.core.metrics_port import serve_metrics

LIVE_SECONDS = 900
"""The longest pause between two steps: the collector may be tried again for minutes, and `tracker s3` copies an object of Parquet first."""


@contextmanager
def serve_health(host: str, port: int, active_at: Callable[[], float], is_ready: Callable[[], bool]) -> Iterator[None]:
    """Serve `/metrics`, `/livez` and `/readyz` until the end of the context.

    Args:
        active_at: when the command last did something, by the monotonic clock.
        is_ready: whether it reaches what it reads from: the bucket, or the database.

    Raises:
        UsageError: if the port can't be used.
    """
    checks = {"/livez": lambda: time.monotonic() - active_at() < LIVE_SECONDS, "/readyz": is_ready}
    with ExitStack() as stack:
        try:
            stack.enter_context(serve_metrics(host, port, checks))
        except OSError as error:
            raise click.UsageError(f"Metrics can't be served on port {port}: {error.strerror}.") from None
        yield
