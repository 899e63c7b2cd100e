"""Where a lake is: a folder, or a bucket of S3 (bucket_target)."""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import NamedTuple, Protocol

import click

from event_tracker.columns.archive.manifest import LINKS, MARKER, PERSONS
from event_tracker.core.disk import sync

TOPS = ("events", LINKS, PERSONS)


class ListedFile(NamedTuple):
    """A file as a listing shows it.

    Attributes:
        etag: what S3 calls its content; None in a folder.
    """

    bytes: int
    etag: str | None


class Target(Protocol):
    """A place for files. Paths are relative to it, with slashes.

    Attributes:
        name: as it was given.
    """

    name: str

    def work_folder(self) -> AbstractContextManager[Path]:
        """An empty folder of this machine in which files are made. What an exporter that was killed has left there is deleted."""

    def list(self) -> dict[str, ListedFile]:
        """All files of the lake."""

    def read(self, path: str) -> bytes | None:
        """A small file's content; None if there is none."""

    def fetch(self, path: str, file: Path) -> bool:
        """Copy a file to this machine. False if there is none."""

    def put(self, file: Path, path: str) -> ListedFile:
        """Move a file of the work folder to its place, all at once: whoever reads sees the former content or this one."""

    def delete(self, path: str) -> None:
        """Delete a file, and the folder if it is empty."""


class Folder:
    """A folder of this machine, or one that is mounted."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path(name).resolve()

    def work_folder(self) -> AbstractContextManager[Path]:
        # On the same disk, so that a file can be renamed. Its name begins with a point: readers pass over it.
        self.path.mkdir(parents=True, exist_ok=True)
        return empty_folder(self.path / ".writing")

    def list(self) -> dict[str, ListedFile]:
        paths = [self.path / MARKER, *(path for top in TOPS for path in (self.path / top).rglob("*"))]
        return {
            path.relative_to(self.path).as_posix(): ListedFile(path.stat().st_size, None)
            for path in paths
            if path.is_file()
        }

    def read(self, path: str) -> bytes | None:
        try:
            return (self.path / path).read_bytes()
        except FileNotFoundError:
            return None

    def fetch(self, path: str, file: Path) -> bool:
        try:
            shutil.copyfile(self.path / path, file)
        except FileNotFoundError:
            return False
        return True

    def put(self, file: Path, path: str) -> ListedFile:
        place = self.path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        sync(file)
        stored = ListedFile(file.stat().st_size, None)
        file.replace(place)
        sync(place.parent)
        return stored

    def delete(self, path: str) -> None:
        place = self.path / path
        place.unlink(missing_ok=True)
        if not any(place.parent.iterdir()):
            place.parent.rmdir()


@contextmanager
def empty_folder(path: Path) -> Iterator[Path]:
    """Make a folder that nobody else may read, in place of the one that is left from an earlier time; delete it in the end.

    Raises:
        ClickException: if somebody else has made it.
    """
    if path.is_symlink() or (path.exists() and path.stat().st_uid != os.getuid()):
        raise click.ClickException(f"{path} belongs to somebody else")
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def temporary_folder(purpose: str, target: str) -> Path:
    """Where to make files that have no place at the target. The same in each run, so that one finds what an earlier one has left."""
    digest = sha256(target.encode()).hexdigest()[:16]
    return Path(gettempdir()) / f"tracker-lake-{purpose}-{os.getuid()}-{digest}"


def open_target(name: str) -> Target:
    """The target that a command names: `s3://bucket/prefix`, or a folder.

    Raises:
        UsageError: if it can't be used.
    """
    if name.startswith("s3://"):
        from event_tracker.cli.lake.bucket_target import BucketTarget

        return BucketTarget(name)
    if "://" in name:
        raise click.UsageError(f"{name} is neither a folder nor s3://bucket/prefix.")
    return Folder(name)
