"""Serves metrics, whether the command is alive, and whether it has listed the bucket, over HTTP."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import click

from event_tracker.core.metrics_port import serve_metrics

LIVE_SECONDS = 900
"""The longest pause between two steps: the collector may be tried again for minutes, and an object of Parquet is copied first."""


@contextmanager
def served(host: str, port: int, alive: Callable[[], float], is_ready: Callable[[], bool]) -> Iterator[None]:
    """Serve `/metrics`, `/livez` and `/readyz` until the end of the context.

    Args:
        alive: when the command last did something, by the monotonic clock.
        is_ready: whether the bucket could be listed.

    Raises:
        UsageError: if the port can't be used.
    """
    checks = {"/livez": lambda: time.monotonic() - alive() < LIVE_SECONDS, "/readyz": is_ready}
    with ExitStack() as stack:
        try:
            stack.enter_context(serve_metrics(host, port, checks))
        except OSError as error:
            raise click.UsageError(f"Metrics can't be served on port {port}: {error.strerror}.") from None
        yield
