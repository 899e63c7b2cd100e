"""A copy of sources, keys and schemas on the local disk, for a collector that starts while PostgreSQL is unavailable.

It has of each key what the database has: its prefix and its hash. Only the collector's user may read it.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import gevent
import msgspec
import structlog

log = structlog.get_logger("collector.source_copy")

FILE = "sources.json"
MODE = 0o600

Rows = Iterable[Sequence[Any]]


class CopiedSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of `list_sources`."""

    name: str
    origins: Sequence[str]
    enabled: bool
    rate_limit: int | None
    schema_mode: str


class CopiedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of `list_keys`."""

    prefix: str
    source: str
    hash: bytes


class CopiedSchema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of `read_schemas`."""

    source: str
    event_type: str
    version: int
    created_at: datetime
    text: str


class SourceCopy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that the source cache reads of the database."""

    sources: Sequence[CopiedSource]
    keys: Sequence[CopiedKey]
    schemas: Sequence[CopiedSchema]
    format: Literal[1] = 1


class SourceCopyFile:
    """Where the copy is.

    Args:
        folder: must exist. Each collector of a machine needs its own, or they overwrite each other's, which is harmless.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._kept: SourceCopy | None = None
        self._write_error = ""
        self._read_error = ""

    def keep(self, sources: Rows, keys: Rows, schemas: Rows) -> None:
        """Keep a copy of these rows in memory, until `write_kept` has written it."""
        self._kept = SourceCopy(
            [CopiedSource(*row) for row in sources],
            [CopiedKey(*row) for row in keys],
            [CopiedSchema(*row) for row in schemas],
        )

    def write_kept(self) -> None:
        """Write what was kept last, in a thread: it waits for the disk. If that fails, it is logged once, and the next call tries again.

        Only one greenlet may call it, so that no two writes meet.
        """
        if (copy := self._kept) is None:
            return
        try:
            gevent.get_hub().threadpool.apply(self.write, (copy,))
        except OSError as error:
            if str(error) != self._write_error:
                log.warning("the copy of sources and keys can't be written; it is tried again", error=str(error))
            self._write_error = str(error)
        else:
            self._write_error = ""
            if self._kept is copy:  # otherwise another one was kept meanwhile
                self._kept = None

    def write(self, copy: SourceCopy) -> None:
        """Write the copy, so that after a crash there is this one or the one before. It waits for the disk.

        Raises:
            OSError: if it can't be written.
        """
        temporary = self._path.with_suffix(f".{os.getpid()}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, MODE)
            with open(descriptor, "wb") as file:
                os.fchmod(descriptor, MODE)  # of a file that was there already
                file.write(msgspec.json.encode(copy))
                file.flush()
                os.fsync(descriptor)
            temporary.replace(self._path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def read(self) -> SourceCopy | None:
        """Read the copy; None if there is none that can be used, which is logged once."""
        try:
            copy = msgspec.json.decode(self._path.read_bytes(), type=SourceCopy)
        except FileNotFoundError:
            self._report("there is no copy of sources and keys")
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            self._report("the copy of sources and keys can't be read", error=type(error).__name__)
        else:
            return copy
        return None

    def _report(self, text: str, **details: str) -> None:
        if text != self._read_error:
            log.warning(text, path=str(self._path), **details)
        self._read_error = text
