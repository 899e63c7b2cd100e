"""Where a lake is, for reading only: a folder, or a bucket of S3. boto3 is an extra: `event-tracker-columns[s3]`."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from event_tracker.columns.archive.archived_file import Place
from event_tracker.core.s3_url import split_s3_url

CONNECT_SECONDS = 3
READ_SECONDS = 30
ATTEMPTS = 3
BUFFER_BYTES = 2**20

GONE = ("NoSuchKey", "404")


class FolderPlace:
    """A folder of this machine, or one that is mounted."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, path: str) -> bytes | None:
        try:
            return (self._path / path).read_bytes()
        except FileNotFoundError:
            return None

    def fetch(self, path: str, file: Path) -> bool:
        try:
            shutil.copyfile(self._path / path, file)
        except FileNotFoundError:
            return False
        return True


class BucketPlace:
    """A prefix of a bucket. Credentials, region and address are those that boto3 finds.

    Args:
        name: `s3://bucket/prefix`.
    """

    def __init__(self, name: str) -> None:
        try:
            import boto3
            from botocore.config import Config
        except ImportError:
            raise RuntimeError(
                f"{name} is read with boto3, which isn't installed: pip install 'event-tracker-query[s3]'."
            ) from None
        self._bucket, self._prefix = split_s3_url(name)
        config = Config(
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
        )
        self._client = boto3.session.Session().client("s3", config=config)

    def read(self, path: str) -> bytes | None:
        try:
            with _errors_mapped():
                return bytes(self._get(path).read())
        except FileNotFoundError:
            return None

    def fetch(self, path: str, file: Path) -> bool:
        try:
            with _errors_mapped(), file.open("wb") as out:
                shutil.copyfileobj(self._get(path), out, BUFFER_BYTES)
        except FileNotFoundError:
            return False
        return True

    def _get(self, path: str) -> Any:
        return self._client.get_object(Bucket=self._bucket, Key=self._prefix + path)["Body"]


@contextmanager
def _errors_mapped() -> Iterator[None]:
    """Turn boto3's errors into OSError: FileNotFoundError if there is no such object."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        is_gone = error.response.get("Error", {}).get("Code", "") in GONE
        raise (FileNotFoundError if is_gone else OSError)(str(error)) from None
    except BotoCoreError as error:
        raise OSError(str(error)) from None


def open_place(name: str) -> Place:
    """The lake in a folder or in `s3://bucket/prefix`."""
    return BucketPlace(name) if name.startswith("s3://") else FolderPlace(Path(name))
