"""Folders for PostgreSQL's data, in memory where there is enough of it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

SHARED_MEMORY = Path("/dev/shm")
ENOUGH = 4 << 30
"""Bytes: more than all workers' servers write until they end."""


def _memory_folder() -> str | None:
    if not os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
        return None
    room = os.statvfs(SHARED_MEMORY)
    free = min(room.f_bavail * room.f_frsize, psutil.virtual_memory().available)
    return str(SHARED_MEMORY) if free >= ENOUGH else None


MEMORY_FOLDER = _memory_folder()
"""For `dir` of `tempfile`. A database has 300 files, and making them on a disk takes up to ten times as much CPU. None where
memory is scarce; then files go where `tempfile` puts them."""


@contextmanager
def data_folder() -> Iterator[Path]:
    """A server's, for a while."""
    # Not under pytest's folder: the path of a Unix socket has at most 107 bytes, and another user must reach it.
    with tempfile.TemporaryDirectory(prefix="pg", dir=MEMORY_FOLDER, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
