"""Files of columns on local disk: bounded, private to one process, never trusted blindly.

Each process has a folder of its own in the cache folder, and holds a lock beside it while it runs. What a process that was killed has
left is deleted by the next one that starts.
"""

import fcntl
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import RLock
from typing import NamedTuple, TypeVar
from uuid import uuid4

import duckdb

from event_tracker.columns import metrics
from event_tracker.core.http.errors import Problem

Answer = TypeVar("Answer")

MAGIC = b"PAR1"
SMALLEST = 12
"""Bytes of the smallest Parquet file: the magic number, a footer's length, the magic number."""

TOO_MUCH = (
    "This question reads more columns than CACHE_MAX_BYTES lets the query service keep on its disk at once. Narrow `from` and `to`, "
    "or raise CACHE_MAX_BYTES."
)
DISK_FULL = (
    "The disk of the query service's CACHE_FOLDER is full, so what this question reads can't be kept there. Free some of it, lower "
    "CACHE_MAX_BYTES, or narrow `from` and `to`."
)


class FileState(NamedTuple):
    """What a file was like when it was added. One that differs now isn't ours any more."""

    bytes: int
    modified: int
    inode: int


class Lease:
    """Files that a question uses: they aren't evicted before `end`."""

    def __init__(self, cache: "Cache") -> None:
        self._cache = cache
        self.names: set[str] = set()

    def take(self, names: Iterable[str]) -> bool:
        """Take files, if all are there and as they were added."""
        return self._cache.take(set(names), self)

    def end(self) -> None:
        """Let go of all."""
        self._cache.release(self)


class Cache:
    """Parquet files by name.

    Args:
        folder: of all processes; made if it isn't there, for one's own account alone.
        most_bytes: of this process's files. Those in use count, and are never evicted.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid not in (os.getuid(), 0):
            raise PermissionError(f"{folder} belongs to another account, which could read what is kept there")
        delete_leftovers(folder)
        self._held: int | None
        self.folder, self._held = _own_folder(folder)
        self._most = most_bytes
        self._files: OrderedDict[str, FileState] = OrderedDict()  # the least recently used first
        self._uses: dict[str, int] = {}
        self._bytes = 0
        self._lock = RLock()

    @property
    def names(self) -> list[str]:
        """All files, the least recently used first."""
        with self._lock:
            return list(self._files)

    @property
    def in_use(self) -> set[str]:
        """The files of all leases."""
        with self._lock:
            return set(self._uses)

    def path(self, name: str) -> Path:
        """Where a file is."""
        return self.folder / f"{name}.parquet"

    def temporary_path(self) -> Path:
        """A path for a file that isn't complete yet."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        return self.folder / f"{uuid4().hex}.part"

    def take(self, names: set[str], lease: Lease) -> bool:
        """Let a lease have files. If one is missing or was changed, it is forgotten and none is taken."""
        with self._lock:
            if lost := [name for name in names if not self._is_intact(name)]:
                self.delete(lost)
                return False
            for name in names - lease.names:
                self._uses[name] = self._uses.get(name, 0) + 1
                self._files.move_to_end(name)
            lease.names |= names
            return True

    def release(self, lease: Lease) -> None:
        """Take a lease's files back."""
        with self._lock:
            for name in lease.names:
                self._uses[name] -= 1
                if not self._uses[name]:
                    del self._uses[name]
            lease.names = set()
            self._evict(0)

    def write(self, name: str, write: Callable[[Path], object], lease: Lease) -> bool:
        """Add a file that `write` writes to the path that it is given, and let the lease have it.

        Returns:
            Whether there is such a file now: not if `write` returned False, or wrote something else than Parquet.

        Raises:
            Problem: 503 if the bound is reached.
        """
        part = self.temporary_path()
        try:
            return write(part) is not False and self._add(name, part, lease)
        finally:
            part.unlink(missing_ok=True)

    def retry_if_disk_full(self, work: Callable[[], Answer]) -> Answer:
        """Call a function that writes files. If the disk is full, evict what isn't in use and call it again.

        Raises:
            Problem: 503 if that didn't help.
        """
        try:
            return work()
        except (OSError, duckdb.Error) as error:
            if not is_disk_full(error):
                raise
        self.evict_unused()
        try:
            return work()
        except (OSError, duckdb.Error) as error:
            if not is_disk_full(error):
                raise
            raise Problem(503, "disk_full", DISK_FULL) from None

    def evict_unused(self) -> None:
        """Delete every file that isn't in use."""
        with self._lock:
            self._evict(self._most)

    def delete(self, names: Iterable[str]) -> None:
        """Delete files, those in use too: whoever reads them fails, and reads again."""
        with self._lock:
            for name in names:
                self.path(name).unlink(missing_ok=True)
                if known := self._files.pop(name, None):
                    self._bytes -= known.bytes
            metrics.CACHE_BYTES.set(self._bytes)

    def close(self) -> None:
        """Delete the folder. Doing so twice is harmless."""
        if self._held is None:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.with_suffix(".lock").unlink(missing_ok=True)
        os.close(self._held)
        self._held = None

    def _add(self, name: str, part: Path, lease: Lease) -> bool:
        if not is_parquet(part):
            return False
        status = part.stat()
        with self._lock:
            self._evict(status.st_size)
            if self._bytes + status.st_size > self._most:
                raise Problem(503, "cache_too_small", TOO_MUCH)
            if name not in self._files:
                os.replace(part, self.path(name))
                self._files[name] = FileState(status.st_size, status.st_mtime_ns, status.st_ino)
                self._bytes += status.st_size
            metrics.CACHE_BYTES.set(self._bytes)
            return self.take({name}, lease)

    def _is_intact(self, name: str) -> bool:
        known = self._files.get(name)
        if known is None:
            return False
        try:
            status = self.path(name).stat()
        except FileNotFoundError:
            return False
        return known == FileState(status.st_size, status.st_mtime_ns, status.st_ino)

    def _evict(self, wanted: int) -> None:
        """Delete the least recently used files that aren't in use, until there is room for so many bytes."""
        for name in [name for name in self._files if name not in self._uses]:
            if self._bytes + wanted <= self._most:
                break
            self.delete([name])
            metrics.FILES_EVICTED.inc()


def is_disk_full(error: Exception) -> bool:
    """Whether an error of the system or of DuckDB says that a file couldn't be written for lack of space."""
    return "No space left on device" in str(error) or "Disk quota exceeded" in str(error)


def is_parquet(path: Path) -> bool:
    """Whether a file begins and ends as a Parquet file does, with room for its footer."""
    size = path.stat().st_size
    if size < SMALLEST:
        return False
    with path.open("rb") as file:
        head = file.read(len(MAGIC))
        file.seek(size - 8)
        footer, tail = int.from_bytes(file.read(4), "little"), file.read(4)
    return head == tail == MAGIC and footer <= size - SMALLEST


def delete_leftovers(folder: Path) -> None:
    """Delete the folders of processes that have ended."""
    for path in folder.glob("process-*"):
        lock = path if path.suffix == ".lock" else path.with_suffix(".lock")
        try:
            with lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink(missing_ok=True)
        except BlockingIOError:
            pass
        except FileNotFoundError:
            shutil.rmtree(path, ignore_errors=True)


def _own_folder(folder: Path) -> tuple[Path, int]:
    """Make a folder. Returns it with the file descriptor that holds its lock."""
    while True:
        own = folder / f"process-{uuid4().hex}"
        held = os.open(own.with_suffix(".lock"), os.O_CREAT | os.O_WRONLY, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
        # Another process may just have taken it for a leftover.
        if own.with_suffix(".lock").exists():
            own.mkdir(mode=0o700)
            return own, held
        os.close(held)
