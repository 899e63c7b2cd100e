"""Output for a terminal: text without control characters, and times in the local time zone."""

import sys
from datetime import datetime

from rich.console import Console

PIPE_WIDTH = 200


def console_of_output() -> Console:
    """A console on standard output. It is wider than usual if that isn't a terminal: a pipe has no width."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def printable(text: str) -> str:
    """Replace control characters. Events may hold any text, which must not control the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def local_time(moment: datetime) -> str:
    """A time in the local time zone, to the second."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
