"""Counts how long the numbers of an event are when PostgreSQL writes them: it writes 1e308, five bytes, as 309 digits.

PostgreSQL stores such a number in a few bytes, too. So the size of a request doesn't bound how much must be written when its
events are read back. Here, numbers count with the length in which they are written.
"""

import math

from event_tracker.core.json_numbers import read_float

LEAST, MOST = 1e-15, 1e16
"""A number between these is written in at most four times the bytes in which it can be sent: it counts as sent."""

MAX_DIGITS = 17
"""Most digits of a double that is written exactly."""


class NumberReader:
    """Reads the numbers of an event.

    Attributes:
        added: how many bytes longer they are written than they were sent; set it to 0 before the next event.
    """

    def __init__(self) -> None:
        self.added = 0

    def read(self, text: str) -> float:
        """A `float_hook`.

        Raises:
            ValueError: what `read_float` raises.
        """
        value = float(text)
        if LEAST <= value < MOST or -MOST < value <= -LEAST or value == 0:
            return value
        value = read_float(text)
        self.added += max(0, _count_written_bytes(value, len(text)) - len(text))
        return value


def _count_written_bytes(value: float, sent: int) -> int:
    """The length in which PostgreSQL writes a number, within 17 digits; 0 if that isn't longer than the `sent` bytes."""
    exponent = math.floor(math.log10(abs(value)))  # `repr` would take several times as long
    if sent > abs(exponent):
        return 0
    return exponent + 1 if exponent > 0 else min(sent, MAX_DIGITS) + 1 - exponent
