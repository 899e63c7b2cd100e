"""Events that wait in files, so that they outlast the process.

Each process writes files of its own and holds a lock (flock) on each; the kernel frees it when the process ends, however it ends.
Another process that gets the lock of a file takes the file over. A file is deleted once the collector has answered for all of its
events. Nothing is flushed to the disk: what was written survives the end of the process, but perhaps not that of the machine.
"""

import json
import logging
import os
import stat
import time
from collections import deque
from pathlib import Path
from uuid import uuid4

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from event_tracker.client.memory_queue import Batch, QueueFullError

logger = logging.getLogger("event_tracker.client")

MAX_FILE_EVENTS = 1000
MAX_FILE_BYTES = 1024 * 1024
"""A file is one batch, so it is below the collector's limits for a request."""

SUFFIX = ".events"
SECONDS_BETWEEN_MEASUREMENTS = 1.0


class EventFile:
    """A file of events, one a line, on which this process holds the lock."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._descriptor = path, descriptor
        self.events = self.size = 0

    @classmethod
    def create(cls, folder: Path) -> "EventFile":
        """Raises: OSError."""
        while True:
            path = folder / f"{uuid4()}{SUFFIX}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(
                descriptor
            ).st_nlink:  # else another process found it before it was locked, empty, and deleted it
                return cls(path, descriptor)
            os.close(descriptor)

    @classmethod
    def adopt(cls, path: Path) -> "EventFile | None":
        """The file of a process that has ended; None if it hasn't, or if the file is gone.

        Raises:
            OSError: if it can't be read, or isn't a regular file of this account.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        file = cls(path, descriptor)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                raise PermissionError("it isn't a regular file of this account")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = os.fstat(descriptor)  # with the lock: nobody changes it now
            if found.st_nlink:
                file.size, file.events = found.st_size, len(file.read())
                return file
        except BlockingIOError:
            pass
        except OSError:
            file.release()
            raise
        file.release()
        return None

    def append(self, line: bytes) -> None:
        """Raises: OSError; then nothing of the line is in the file."""
        data = line + b"\n"
        written = 0
        try:
            written = os.write(self._descriptor, data)
        finally:
            if written != len(data):
                os.ftruncate(self._descriptor, self.size)
        if written != len(data):
            raise OSError("the disk is full")
        self.events += 1
        self.size += len(data)

    def read(self) -> list[bytes]:
        """Its events, without a last line that was broken off, and without what isn't JSON."""
        data = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)
        *lines, torn = data.split(b"\n")
        good = [line for line in lines if _is_object(line)]
        if torn or len(good) < len(lines):
            logger.warning(
                "%s: %d lines can't be read, and are left out", self.path, len(lines) - len(good) + bool(torn)
            )
        return good

    def delete(self) -> None:
        """Delete it, and free the lock after that."""
        self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Free the lock, for others to take the file over."""
        os.close(self._descriptor)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


class DiskQueue:
    """See Queue.

    Args:
        max_bytes: of all files in the folder, of all processes together.

    Raises:
        ValueError: if the system has no flock.
        OSError: if the folder can't be made.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        if fcntl is None:
            raise ValueError("folder: this system has no flock, so events can't wait on disk")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._max_bytes = folder, max_bytes
        self._open: EventFile | None = None
        self._sealed: deque[EventFile] = deque()
        self._taken: EventFile | None = None
        self._waiting = 0
        self._kept: set[Path] = set()  # files of this queue, and those that couldn't be deleted
        self._unusable: set[Path] = set()  # what isn't a file of events; each is warned of once
        self._bytes, self._measured_at = 0, float("-inf")

    def put(self, line: bytes) -> None:
        self._measure()
        if self._bytes + len(line) + 1 > self._max_bytes:
            raise QueueFullError(f"The folder has {self._bytes} bytes already; {self._max_bytes} are allowed.")
        try:
            file = self._open or self._start_file()
            file.append(line)
        except OSError as error:
            raise QueueFullError(f"The event can't be written: {error}") from error
        self._bytes += len(line) + 1
        self._waiting += 1
        if file.events >= MAX_FILE_EVENTS or file.size >= MAX_FILE_BYTES:
            self._seal()

    def take(self) -> Batch | None:
        if not self._sealed and self._open:
            self._seal()
        if not self._sealed:
            return None
        self._taken = self._sealed.popleft()
        self._waiting -= self._taken.events
        return Batch(self._taken.read(), self._taken)

    def remove(self, batch: Batch) -> None:
        file: EventFile = batch.file
        self._taken = None
        self._bytes -= file.size
        file.delete()
        self._kept.discard(file.path)

    def adopt(self) -> None:
        unusable = set()
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if path in self._kept:
                continue
            try:
                self._adopt(path)
            except OSError as error:
                unusable.add(path)
                if path not in self._unusable:
                    logger.warning("%s: isn't sent: %s", path, error)
        self._unusable = unusable

    def waiting(self) -> int:
        return self._waiting

    def close(self) -> list[bytes]:
        for file in (*self._sealed, self._open, self._taken):
            if file:
                file.release()
        self._sealed.clear()
        self._open = self._taken = None
        return []

    def _adopt(self, path: Path) -> None:
        """Raises: OSError."""
        if not (file := EventFile.adopt(path)):
            return
        self._kept.add(path)
        if file.events:
            self._sealed.append(file)
            self._waiting += file.events
        else:
            file.delete()
            self._kept.discard(path)

    def _start_file(self) -> EventFile:
        self._open = EventFile.create(self._folder)
        self._kept.add(self._open.path)
        return self._open

    def _seal(self) -> None:
        if self._open:
            self._sealed.append(self._open)
            self._open = None

    def _measure(self) -> None:
        """Look how much the folder has, with the files of other processes; once a second is enough."""
        if time.monotonic() - self._measured_at < SECONDS_BETWEEN_MEASUREMENTS:
            return
        self._measured_at = time.monotonic()
        self._bytes = 0
        for path in self._folder.glob(f"*{SUFFIX}"):
            try:
                self._bytes += path.lstat().st_size
            except OSError:
                continue
