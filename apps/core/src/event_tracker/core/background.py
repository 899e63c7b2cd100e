"""Work that a process does again and again in the background."""

from collections.abc import Callable

import gevent


class BackgroundLoop:
    """Calls a function at once, and again after each pause, in a greenlet. If the function fails, the next call is its retry.

    Args:
        work: may raise any Exception.
        seconds: the pause.
        report: called with the first error of several in a row, such as to log it. The others say nothing new.
    """

    def __init__(self, work: Callable[[], object], seconds: float, report: Callable[[Exception], object]) -> None:
        self._work = work
        self._seconds = seconds
        self._report = report
        self._greenlet = gevent.spawn(self._run)

    def close(self) -> None:
        """Stop, even in the middle of a call."""
        self._greenlet.kill()

    def _run(self) -> None:
        is_healthy = True
        while True:
            try:
                self._work()
                is_healthy = True
            except Exception as error:  # whatever it is, the loop must go on
                if is_healthy:
                    self._report(error)
                is_healthy = False
            gevent.sleep(self._seconds)
