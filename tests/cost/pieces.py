"""What shapes are made of."""

from collections.abc import Callable
from typing import NamedTuple


class Shape(NamedTuple):
    """One way of what is read.

    Attributes:
        make: the input of about so many bytes.
        read: what is done with it.
    """

    make: Callable[[int], bytes]
    read: Callable[[bytes], object]


def filled(size: int, piece: Callable[[int], bytes], separator: bytes = b",") -> bytes:
    """Numbered pieces of so many bytes together."""
    pieces = []
    while size > 0:
        pieces.append(piece(len(pieces)))
        size -= len(pieces[-1]) + len(separator)
    return separator.join(pieces)
