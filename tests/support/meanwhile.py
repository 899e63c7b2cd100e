"""Work that runs in another thread during a test."""

import threading
from collections.abc import Callable
from typing import Any


class Meanwhile(threading.Thread):
    """A thread that is already running, and its result."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self._work = work
        self._result: Any = None
        self._error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._work()
        except Exception as error:
            self._error = error

    def end(self) -> Any:
        """Wait for the end. Return the result, or raise the error."""
        self.join()
        if self._error:
            raise self._error
        return self._result
