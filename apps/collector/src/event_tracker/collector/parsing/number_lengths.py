"""How long the numbers of an event are once PostgreSQL writes them: of 1e308, in five bytes, it makes 309 digits.

It stores them in a few bytes, too, so nothing but the size of what was sent would bound what reading an event back, or summing
up a day, has to write. Here they count as long as they are written.
"""

import math

from event_tracker.core.json_numbers import read_float

LEAST, MOST = 1e-15, 1e16
"""Numbers between them are written in at most four times as many bytes as they can be sent in: they count as sent."""

MOST_DIGITS = 17
"""Of a double, as it is written to be read back."""


class LongNumberError(Exception):
    """There is a number beyond these bounds, or that no double holds. Not a ValueError, which msgspec would turn into its own."""


class TooLongError(Exception):
    """An event is too large with its numbers written out; says so in a sentence."""


def read_short_float(text: str) -> float:
    """A `float_hook` for most events.

    Raises:
        LongNumberError: if a `LongNumbers` must read the event.
    """
    value = float(text)
    if LEAST <= value < MOST or -MOST < value <= -LEAST or value == 0:
        return value
    raise LongNumberError


class LongNumbers:
    """Reads the numbers of one event, and counts its bytes with them written out.

    Args:
        size: its bytes as it was sent.
        most: how many they may be.
    """

    def __init__(self, size: int, most: int) -> None:
        self.size = size
        self.most = most

    def read(self, text: str) -> float:
        """A `float_hook`.

        Raises:
            TooLongError: if they are more.
            ValueError: what `read_float` raises.
        """
        value = read_float(text)
        self.size += max(0, _written_bytes(value, len(text)) - len(text))
        if self.size > self.most:
            raise TooLongError(
                f"An event may have {self.most} bytes with its numbers written out (1e308 has 309 digits); this one has more."
            )
        return value


def _written_bytes(value: float, sent: int) -> int:
    """How long PostgreSQL writes a number that was sent in so many bytes, give or take its 17 digits; 0 if no longer than it was sent."""
    size = abs(value)
    if LEAST <= size < MOST or size == 0:
        return 0
    exponent = math.floor(math.log10(size))  # `repr` would take several times as long
    if sent > abs(exponent):
        return 0
    return exponent + 1 if exponent > 0 else min(sent, MOST_DIGITS) + 1 - exponent
