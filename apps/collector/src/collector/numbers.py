"""How long the numbers of an event are once PostgreSQL writes them: of 1e308, in five bytes, it makes 309 digits.

It stores them in a few bytes, too, so nothing but the size of what was sent would bound what reading an event back, or summing
up a day, has to write. Here they count as long as they are written.
"""

from core.numbers import read_float

LEAST, MOST = 1e-15, 1e16
"""Numbers between them are written in at most four times as many bytes as they can be sent in: they count as sent."""


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
        self.size += max(0, _written_bytes(value) - len(text))
        if self.size > self.most:
            raise TooLongError(
                f"An event may have {self.most} bytes with its numbers written out (1e308 has 309 digits); this one has more."
            )
        return value


def _written_bytes(value: float) -> int:
    """How long PostgreSQL writes a number beyond the bounds, to a byte or two; of others 0."""
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent or LEAST <= abs(value) < MOST:
        return 0
    return int(exponent) + 1 if int(exponent) > 0 else len(mantissa) + 1 - int(exponent)
