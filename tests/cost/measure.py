"""Reads each shape at two sizes, under callgrind: `python measure.py SMALL LARGE` prints the names in the order of the counts.

A call of `getppid` begins each count and ends it (callgrind's --dump-before).
"""

import gc
import math
import os
import sys

from shapes import SHAPES

from core import turns

WARM_UP = 500


def main(*sizes: str) -> None:
    """Print a name for each pair of sizes."""
    gc.disable()
    turns.SLICE_SECONDS = math.inf  # how often others have their turn depends on the time
    for name, shape in SHAPES.items():
        shape.read(shape.make(WARM_UP))
        for size in sizes:
            given = shape.make(int(size))
            os.getppid()
            shape.read(given)
            os.getppid()
        print(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
