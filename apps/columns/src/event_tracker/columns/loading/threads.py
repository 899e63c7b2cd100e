"""Runs DuckDB outside of the thread that serves requests."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import duckdb
import gevent
from gevent.event import AsyncResult

from event_tracker.columns.loading.deadline import Deadline

Answer = TypeVar("Answer")

INTERRUPT_SECONDS = 0.02
"""How often an interrupted thread is interrupted again: between two statements, DuckDB forgets it."""


CHECK_SECONDS = 0.02
"""How often `check` is called."""


def run_in_thread(
    work: Callable[[], Answer],
    deadline: Deadline | None = None,
    connection: duckdb.DuckDBPyConnection | None = None,
    check: Callable[[], None] | None = None,
) -> Answer:
    """Run `work` in a thread; other greenlets go on. It has ended when this returns or raises, whatever happens.

    Args:
        connection: what `work` uses; it is interrupted at the deadline, or if the caller is killed.
        check: is called again and again while `work` runs. What it raises ends `work`.

    Raises:
        Problem: 504 after the deadline.
    """
    running = gevent.get_hub().threadpool.spawn(_catch, work)
    try:
        while check and not running.ready() and (deadline is None or deadline.remaining):
            running.wait(CHECK_SECONDS)
            check()
        answer, error = running.get(timeout=deadline.remaining if deadline else None)  # type: ignore[misc]
    except BaseException as reason:
        _stop(running, connection)
        if deadline and isinstance(reason, gevent.Timeout):
            raise deadline.problem() from None
        raise
    if error is not None:
        raise error
    return cast(Answer, answer)


def _stop(running: "AsyncResult[Any]", connection: duckdb.DuckDBPyConnection | None) -> None:
    while not running.ready():
        if connection is not None:
            connection.interrupt()
        running.wait(INTERRUPT_SECONDS)


def _catch(work: Callable[[], Answer]) -> tuple[Answer | None, Exception | None]:
    """The result or the error: the thread pool prints those that reach it."""
    try:
        return work(), None
    except Exception as error:  # the caller raises it
        return None, error
