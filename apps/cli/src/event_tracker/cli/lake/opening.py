"""Where a lake is: a folder, or a bucket of S3; and where its files are made."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir

import click

from event_tracker.columns.lake.manifest import LINKS, MARKER, PERSONS, is_data_file
from event_tracker.core.storage.bucket import BucketStorage
from event_tracker.core.storage.files import ListedFile, Storage
from event_tracker.core.storage.folder import ASIDE, FolderStorage
from event_tracker.core.storage.opening import open_storage

PATHS = (MARKER, "events/", f"{LINKS}/", f"{PERSONS}/")

ATTEMPTS = 8
"""Of a request to S3: an export takes long, and nobody may be there to start it again."""


def open_lake(name: str) -> Storage:
    """The lake that a command names: `s3://bucket/prefix`, or a folder.

    Raises:
        UsageError: if it can't be used.
    """
    if "://" in name.removeprefix("s3://"):
        raise click.UsageError(f"{name} is neither a folder nor s3://bucket/prefix.")
    try:
        return open_storage(name, attempts=ATTEMPTS)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def list_files(lake: Storage) -> dict[str, ListedFile]:
    """All files of a lake, by path."""
    return lake.list(PATHS)


@contextmanager
def work_folder(lake: Storage) -> Iterator[Path]:
    """An empty folder in which files of the lake are made. What an exporter that was killed has left is deleted."""
    if isinstance(lake, FolderStorage):
        lake.path.mkdir(parents=True, exist_ok=True)
        path = lake.path / ASIDE
    else:
        assert isinstance(lake, BucketStorage)
        lake.abort_uploads(is_data_file)
        path = temporary_folder("export", f"{lake.bucket}/{lake.prefix}")
    with empty_folder(path):
        yield path


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


def temporary_folder(purpose: str, lake: str) -> Path:
    """Where to make files that have no place in the lake. The same in each run, so that one finds what an earlier one has left."""
    digest = sha256(lake.encode()).hexdigest()[:16]
    return Path(gettempdir()) / f"tracker-lake-{purpose}-{os.getuid()}-{digest}"
