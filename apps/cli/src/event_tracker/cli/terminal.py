"""What a terminal is shown: text that can't steer it, and times of this machine's zone."""

import sys
from datetime import datetime

from rich.console import Console

PIPE_WIDTH = 200


def console_of_output() -> Console:
    """Standard output; wider than a terminal's default where it isn't one, because nobody can widen a pipe."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def printable(text: str) -> str:
    """Text that can't steer the terminal: events hold what anybody sent."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def local_time(moment: datetime) -> str:
    """A time in this machine's zone, to the second."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
