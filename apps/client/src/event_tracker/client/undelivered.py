"""Events that won't be delivered, and who is told."""

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

logger = logging.getLogger("event_tracker.client")

SECONDS_BETWEEN_WARNINGS = 10.0


@dataclass(frozen=True)
class UndeliveredEvent:
    """An event that won't be sent any more.

    Attributes:
        event: as it was to be sent.
        code: `queue_full` or `closed`; or the collector's, such as `schema_violation` or `invalid_key`.
        detail: a sentence that says why.
        status: of the collector's answer. None if it never refused the event.
        errors: what the collector says about this event: `pointer`, `code` and `detail` of each error.
    """

    event: dict[str, Any]
    code: str
    detail: str
    status: int | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)


OnError = Callable[[UndeliveredEvent], None]


def make_undelivered(
    line: bytes, code: str, detail: str, status: int | None = None, errors: list[dict[str, Any]] | None = None
) -> UndeliveredEvent:
    """An event that won't be sent any more, of its JSON."""
    return UndeliveredEvent(json.loads(line), code, detail, status, errors or [])


class Reporter:
    """Calls the program's function for each event; without one, logs a warning at most every ten seconds."""

    def __init__(self, on_error: OnError | None) -> None:
        self._on_error = on_error
        self._lock = threading.Lock()
        self._warned_at = -SECONDS_BETWEEN_WARNINGS
        self._untold = 0

    def report(self, events: Sequence[UndeliveredEvent], own_thread: bool = False) -> None:
        """Say that these events won't be delivered. An exception of the program's function is logged, not raised.

        Args:
            own_thread: whether this is the client's thread, which goes on also after SystemExit or KeyboardInterrupt. In the program's
                threads they are raised: a signal may have caused them.
        """
        if not events:
            return
        if self._on_error is None:
            self._warn(events)
            return
        for event in events:
            try:
                self._on_error(event)
            except BaseException as error:
                logger.exception("on_error failed for event %s", event.event.get("event_id"))
                if not own_thread and not isinstance(error, Exception):
                    raise

    def _warn(self, events: Sequence[UndeliveredEvent]) -> None:
        with self._lock:
            self._untold += len(events)
            if time.monotonic() - self._warned_at < SECONDS_BETWEEN_WARNINGS:
                return
            self._warned_at, number, self._untold = time.monotonic(), self._untold, 0
        last = events[-1]
        logger.warning(
            "%d events won't be delivered; the last one for this reason: %s (%s)", number, last.detail, last.code
        )
