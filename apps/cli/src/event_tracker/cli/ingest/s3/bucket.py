"""A bucket: lists its objects, and opens one as a file. boto3 is an extra: `event-tracker-cli[s3]`."""

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple

import click

from event_tracker.cli.ingest.detection import PARQUET

BUFFER_BYTES = 256 * 1024
PAGE_KEYS = 1000
"""Keys in an answer: as many as S3 gives."""

GONE = ("NoSuchKey", "404", "NoSuchVersion")
REFUSED = ("AccessDenied", "InvalidObjectState", "403", "MethodNotAllowed")
"""Of one object: it is archived, or encrypted with a key that may not be used."""


class ListedObject(NamedTuple):
    """An object as a listing, or a message, names it.

    Attributes:
        etag: changes with the content. None if it isn't known.
        bytes: its size as it is stored.
        modified: None if it isn't known.
    """

    key: str
    etag: str | None
    bytes: int
    modified: datetime | None = None


class BrokenConnectionError(OSError):
    """The connection broke while an object was read."""


class GoneError(Exception):
    """The object was deleted."""


class S3Error(Exception):
    """The service refused or failed, after all attempts.

    Attributes:
        kind: a word for the metric.
        is_about_object: whether it says something about one object, and others may be read.
    """

    def __init__(self, message: str, kind: str, *, is_about_object: bool = False) -> None:
        super().__init__(message)
        self.kind, self.is_about_object = kind, is_about_object


def make_client(service: str) -> Any:
    """A client of `s3` or `sqs`, with the credentials and the address that boto3 finds. It tries again by itself, ever more slowly.

    Raises:
        UsageError: if boto3 isn't installed, or no region is set.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise click.UsageError("S3 is read with boto3, which isn't installed: pip install boto3.") from None
    settings = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=5, read_timeout=60)
    try:
        return boto3.session.Session().client(service, config=settings)
    except BotoCoreError as error:
        raise click.UsageError(f"{service.upper()} can't be used: {error}") from None


@contextmanager
def s3_errors() -> Iterator[None]:
    """Turn what boto3 raises into GoneError and S3Error."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in GONE:
            raise GoneError(str(error)) from None
        raise S3Error(str(error), _kind(code), is_about_object=code in REFUSED) from None
    except BotoCoreError as error:
        raise S3Error(str(error), "connection") from None


def _kind(code: str) -> str:
    if code in REFUSED:
        return "access"
    return "throttled" if code in ("SlowDown", "Throttling", "RequestLimitExceeded", "503") else "service"


class Bucket:
    """A bucket.

    Args:
        client: of S3.
        prefix: the beginning of the keys that are read.
    """

    def __init__(self, client: Any, name: str, prefix: str = "") -> None:
        self.client, self.name, self.prefix = client, name, prefix

    def list_page(self, after: str) -> tuple[list[ListedObject], bool]:
        """The objects behind a key, in order of their keys, and whether there are more.

        Raises:
            S3Error: if it can't be listed.
        """
        try:
            with s3_errors():
                answer = self.client.list_objects_v2(
                    Bucket=self.name, Prefix=self.prefix, MaxKeys=PAGE_KEYS, StartAfter=after
                )
        except GoneError as error:
            raise S3Error(str(error), "access") from None
        found = [
            ListedObject(one["Key"], one["ETag"].strip('"'), one["Size"], one["LastModified"])
            for one in answer.get("Contents", [])
        ]
        return found, bool(answer.get("IsTruncated"))

    def open(self, key: str) -> "OpenObject":
        """Begin to read an object.

        Raises:
            GoneError, S3Error: if it can't be read.
        """
        with s3_errors():
            answer = self.client.get_object(Bucket=self.name, Key=key)
        return OpenObject(answer["Body"], answer["ETag"].strip('"'))


class OpenObject(io.RawIOBase):
    """The content of an object, as it is stored. Only a buffer of it is in memory.

    Attributes:
        etag: of the content that is read.
        bytes_read: so far.
    """

    def __init__(self, body: Any, etag: str) -> None:
        self._body, self.etag, self.bytes_read = body, etag, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read some bytes.

        Raises:
            BrokenConnectionError: if the connection breaks.
        """
        from botocore.exceptions import BotoCoreError, HTTPClientError
        from urllib3.exceptions import HTTPError

        try:
            data = self._body.read(len(buffer))
        except (BotoCoreError, HTTPClientError, HTTPError) as error:
            raise BrokenConnectionError(f"the connection to S3 broke: {error}") from None
        buffer[: len(data)] = data
        self.bytes_read += len(data)
        return len(data)

    def close(self) -> None:
        """Close the connection, unless it was read to its end."""
        if not self.closed:
            self._body.close()
        super().close()

    @contextmanager
    def as_file(self) -> Iterator[BinaryIO]:
        """The content as a file. Parquet has its table of contents at its end, so it is copied to a temporary file."""
        buffered = io.BufferedReader(self, BUFFER_BYTES)
        try:
            if not buffered.peek(len(PARQUET)).startswith(PARQUET):
                yield buffered
                return
            with tempfile.TemporaryFile() as copy:
                shutil.copyfileobj(buffered, copy, BUFFER_BYTES)
                copy.seek(0)
                yield copy
        finally:
            buffered.close()
