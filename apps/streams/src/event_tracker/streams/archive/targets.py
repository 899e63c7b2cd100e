"""Where files are written: a folder, or a bucket of S3. Each file appears all at once, with all of its content."""

import os
import tempfile
from pathlib import Path
from typing import Any, Protocol

from event_tracker.core.disk import sync
from event_tracker.core.s3_url import split_s3_url

MODE = 0o640
"""Of a file: its group may read it."""

REFUSED = ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket")


class TargetError(Exception):
    """A file can't be written now. It may be later, or after a person has repaired something.

    Attributes:
        kind: a word for the metric.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class Target(Protocol):
    """A place for files. Paths are relative to it, with slashes."""

    def put(self, path: str, content: bytes) -> None:
        """Write a file. It is safe when this returns.

        Raises:
            TargetError: if it can't be written.
        """

    def has(self, path: str) -> bool:
        """Whether there is such a file; False if that can't be known."""


class Folder:
    """A folder of this machine, or one that is mounted."""

    def __init__(self, name: str) -> None:
        self._path = Path(name)

    def put(self, path: str, content: bytes) -> None:
        place = self._path / path
        # On the same disk, so that a file can be renamed. Its name begins with a point: readers pass over it.
        aside = self._path / ".writing"
        try:
            self._make_folder(aside)
            self._make_folder(place.parent)
            for left in aside.glob(f"{place.name}.*"):  # by a process that was killed
                left.unlink(missing_ok=True)
            with tempfile.NamedTemporaryFile(dir=aside, prefix=f"{place.name}.", delete=False) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            written = Path(file.name)
            written.chmod(MODE)
            written.replace(place)
            sync(place.parent)
        except OSError as error:
            raise TargetError(f"{place}: {error.strerror}", "folder") from None

    def has(self, path: str) -> bool:
        return (self._path / path).is_file()

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            for parent in folder.relative_to(self._path).parents:
                sync(self._path / parent)


class Bucket:
    """A prefix of a bucket.

    Args:
        name: `s3://bucket/prefix`.
    """

    def __init__(self, name: str) -> None:
        import boto3
        from botocore.config import Config

        self._bucket, self._prefix = split_s3_url(name)
        # It is tried again for ever, by who calls it: so that it is told of a rebalance meanwhile.
        settings = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=5, read_timeout=60)
        self._client: Any = boto3.session.Session().client("s3", config=settings)

    def put(self, path: str, content: bytes) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + path, Body=content)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            raise TargetError(str(error), "access" if code in REFUSED else "service") from None
        except BotoCoreError as error:
            raise TargetError(str(error), "connection") from None

    def has(self, path: str) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.head_object(Bucket=self._bucket, Key=self._prefix + path)
        except (ClientError, BotoCoreError):  # not there, or no right to ask: it is written, which changes nothing
            return False
        return True


def open_target(name: str) -> Target:
    """The target that a setting names."""
    return Bucket(name) if name.startswith("s3://") else Folder(name)
