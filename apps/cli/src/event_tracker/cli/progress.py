"""A progress bar with a rate, on standard error. It shows nothing if that isn't a terminal."""

import sys
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Meter:
    """Shows the progress of a command.

    Args:
        what: what is counted, such as `lines`.
        total: the value of `position` at the end; None if it isn't known.
    """

    def __init__(self, what: str, total: float | None) -> None:
        self.what = what
        self.started = time.monotonic()
        self._progress = Progress(
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[count]:,} {task.fields[what]}"),
            TextColumn("{task.fields[rate]:,.0f}/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("", total=total, count=0, what=what, rate=0.0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @property
    def seconds(self) -> float:
        """Seconds since the start, more than 0."""
        return max(time.monotonic() - self.started, 1e-6)

    def show(self, count: int, position: float) -> None:
        """Show the count so far, and the position on the way to `total`."""
        self._progress.update(self._task, completed=position, count=count, rate=count / self.seconds)
