"""What is written to a disk, and stays there if the machine stops."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Wait until a file, or which files are in a folder, is on the disk.

    Raises:
        OSError: if that fails.
    """
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
