"""Counts how long the numbers of an event are when PostgreSQL writes them: it writes 1e308, five bytes, as 309 digits.

PostgreSQL stores such a number in a few bytes, too. So the size of a request doesn't bound how much must be written when its
events are read back. Here, numbers count with the length in which they are written.
"""

import math

from event_tracker.core.json_numbers import read_float

LEAST, MOST = 1e-15, 1e16
"""A number between these is written in at most four times the bytes in which it can be sent: it counts as sent."""

MOST_DIGITS = 17
"""Most digits of a double that is written exactly."""


class LongNumberError(Exception):
    """A number is beyond these bounds, or isn't a finite double. Not a ValueError: msgspec would replace that by its own error."""


class TooLongError(Exception):
    """An event is too large with its numbers written out. The message is for the sender."""


def read_short_float(text: str) -> float:
    """A `float_hook` for most events.

    Raises:
        LongNumberError: if the event must be read by a `LongNumbers`.
    """
    value = float(text)
    if LEAST <= value < MOST or -MOST < value <= -LEAST or value == 0:
        return value
    raise LongNumberError


class LongNumbers:
    """Reads the numbers of one event, and counts its bytes with them written out.

    Args:
        size: bytes of the event as sent.
        most: bytes that it may have.
    """

    def __init__(self, size: int, most: int) -> None:
        self.size = size
        self.most = most

    def read(self, text: str) -> float:
        """A `float_hook`.

        Raises:
            TooLongError: if the event has more.
            ValueError: what `read_float` raises.
        """
        value = read_float(text)
        self.size += max(0, _count_written_bytes(value, len(text)) - len(text))
        if self.size > self.most:
            raise TooLongError(
                f"An event may have {self.most} bytes with its numbers written out (1e308 has 309 digits); this one has more."
            )
        return value


def _count_written_bytes(value: float, sent: int) -> int:
    """The length in which PostgreSQL writes a number, within 17 digits; 0 if that isn't longer than the `sent` bytes."""
    size = abs(value)
    if LEAST <= size < MOST or size == 0:
        return 0
    exponent = math.floor(math.log10(size))  # `repr` would take several times as long
    if sent > abs(exponent):
        return 0
    return exponent + 1 if exponent > 0 else min(sent, MOST_DIGITS) + 1 - exponent
