"""Reads each shape at two sizes, under callgrind: `python measure.py GROUP,… SMALL LARGE` prints the names in the order of the counts.

Once everything is imported it prints a line and waits for one: until then nothing need be counted. A call of `getppid` begins
each count and ends it (callgrind's --dump-before).
"""

import gc
import math
import os
import select
import sys

from shapes import SHAPES

from event_tracker.core.server import cooperation


def main(groups: str, *sizes: str) -> None:
    """Print the name of each shape of some groups (what its name begins with), once its sizes are counted."""
    gc.disable()
    cooperation.SLICE_SECONDS = math.inf  # how often others run depends on the time
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        pass  # valgrind obeys vgdb while code runs, not within a system call
    for name, shape in SHAPES.items():
        if name.partition(":")[0] not in groups.split(","):
            continue
        shape.read(shape.make(int(sizes[0])))  # what is made once, such as tables and pools of memory, isn't counted
        for size in sizes:
            given = shape.make(int(size))
            os.getppid()
            shape.read(given)
            os.getppid()
        print(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
