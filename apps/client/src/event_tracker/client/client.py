"""The client: what programs call."""

import atexit
import os
import weakref
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from event_tracker.client.collector import Collector
from event_tracker.client.context import context_properties, context_user
from event_tracker.client.delivery import Delivery, Stats
from event_tracker.client.disk_queue import DiskQueue
from event_tracker.client.event import make_event
from event_tracker.client.memory_queue import MemoryQueue, Queue
from event_tracker.client.undelivered import OnError, Reporter

MAX_QUEUED_EVENTS = 10_000
MAX_BYTES = 64 * 1024 * 1024
INTERVAL_SECONDS = 1.0
TIMEOUT_SECONDS = 30.0
"""Longer than a collector takes to time out by itself, so that its own answer arrives first."""

CLOSE_SECONDS = 5.0


class Client:
    """Sends events to a collector from a thread of its own. Safe to share between threads; a forked process gets an empty one.

    Args:
        url: of the collector, without `/events`.
        write_key: of the source; None where the collector doesn't require one.
        max_queued_events: events that may wait in memory. A further one is dropped and reported.
        max_bytes: of events that may wait: in memory, or in the folder.
        folder: where events wait, to outlast the process; a folder is for one source. None: they wait in memory.
        interval_seconds: how long an event may wait for others to fill its batch.
        timeout_seconds: how long to wait for an answer.
        on_error: called with each event that won't be delivered, in the client's thread, or in that which calls `track` or
            `close`. None: a warning is logged.

    Raises:
        TypeError, ValueError: if an argument can't be what it is to be. The message begins with its name.
        OSError: if the folder can't be made.
    """

    def __init__(
        self,
        url: str,
        write_key: str | None = None,
        *,
        max_queued_events: int = MAX_QUEUED_EVENTS,
        max_bytes: int = MAX_BYTES,
        folder: str | os.PathLike[str] | None = None,
        interval_seconds: float = INTERVAL_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
        on_error: OnError | None = None,
    ) -> None:
        for name, value in (
            ("max_queued_events", max_queued_events),
            ("max_bytes", max_bytes),
            ("timeout_seconds", timeout_seconds),
        ):
            if value <= 0:
                raise ValueError(f"{name}: is {value}; it must be greater than 0")
        self._collector = (url, write_key, timeout_seconds)
        Collector(*self._collector)  # raises, if they can't be so
        self._max_queued_events, self._max_bytes = max_queued_events, max_bytes
        self._folder = None if folder is None else Path(folder)
        self._interval, self._on_error = interval_seconds, on_error
        self._deliveries: dict[int, Delivery] = {}
        if self._folder:
            self._delivery.start()
        _clients.add(self)
        atexit.register(self.close)

    def track(
        self,
        user_id: str | None,
        event_type: str,
        properties: Mapping[str, Any] | None = None,
        *,
        timestamp: datetime | None = None,
        event_id: UUID | str | None = None,
        session_id: str | None = None,
    ) -> str:
        """Queue an event, and return its id at once. It is sent later, as often as needed, and stored once.

        Args:
            user_id: None stands for the user of the context (`use_context`).
            properties: what JSON has. Those of the context are added.
            timestamp: with a time zone; otherwise now.
            event_id: otherwise a new UUIDv7.

        Raises:
            TypeError, ValueError: if an argument can't be part of an event. The message begins with its name, and nothing is
                sent. The network and the collector never cause an exception here.
        """
        if user_id is None and (user_id := context_user()) is None:
            raise ValueError("user_id: is None, and no user is set in this context")
        shared = context_properties()
        if shared and (properties is None or isinstance(properties, Mapping)):
            properties = {**shared, **(properties or {})}
        made_id, line = make_event(user_id, event_type, properties, timestamp, event_id, session_id)
        self._delivery.put(line)
        return made_id

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Send what waits, and wait until the collector has answered for it, `timeout_seconds` at most. Returns whether it has."""
        return self._delivery.flush(timeout_seconds)

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> bool:
        """Flush, and accept no more events. Returns whether the collector has answered for all. What it hasn't answered for by then
        is reported as `closed`, or stays in the folder for the next process. Called when Python ends."""
        atexit.unregister(self.close)
        return self._delivery.close(timeout_seconds)

    @property
    def stats(self) -> Stats:
        """What became of the events of this process so far."""
        return self._delivery.stats()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _delivery(self) -> Delivery:
        """That of this process, made at its first use: some servers' workers replace Python's locks by gevent's after the fork."""
        process = os.getpid()
        return self._deliveries.get(process) or self._deliveries.setdefault(process, self._make_delivery())

    def _make_delivery(self) -> Delivery:
        queue: Queue = (
            DiskQueue(self._folder, self._max_bytes)
            if self._folder is not None
            else MemoryQueue(self._max_queued_events, self._max_bytes)
        )
        collector = Collector(*self._collector)
        return Delivery(queue, collector, Reporter(self._on_error), self._interval)

    def _forget_parent(self) -> None:
        """In a forked process: what waited is the parent's, and so are the locks and connections."""
        for delivery in self._deliveries.values():
            delivery.abandon()
        self._deliveries = {}


_clients: "weakref.WeakSet[Client]" = weakref.WeakSet()


def _after_fork() -> None:
    for client in list(_clients):
        client._forget_parent()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_after_fork)
