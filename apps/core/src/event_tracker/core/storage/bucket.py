"""Files in a bucket of S3. boto3 is an extra: `s3` of each package that uses it."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from event_tracker.core.storage.files import ListedFile, StorageError

BUFFER_BYTES = 2**20

MAX_BYTES_AT_ONCE = 5 * 2**30
"""S3 takes no larger object in one request."""

UPLOAD_PART_BYTES = 64 * 2**20

GONE = ("NoSuchKey", "404", "NoSuchVersion")
REFUSED = ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket")


class BucketStorage:
    """A `Storage` in a prefix of a bucket. Credentials, region and address are those that boto3 finds.

    A request replaces an object at once, and all who read afterwards see the new one.

    Args:
        name: `s3://bucket/prefix`.
        attempts: how often boto3 tries.

    Raises:
        ValueError: if boto3 isn't installed, or the name or boto3's own settings can't be used.
    """

    def __init__(self, name: str, *, attempts: int, connect_seconds: int = 5, read_seconds: int = 60) -> None:
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ImportError:
            raise ValueError(f"{name} needs boto3, which isn't installed: pip install boto3.") from None
        self.name = name
        self.bucket, self.prefix = split_s3_url(name)
        if not self.bucket:
            raise ValueError(f"{name} names no bucket: s3://bucket/prefix.")
        config = Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            connect_timeout=connect_seconds,
            read_timeout=read_seconds,
        )
        try:
            self._client: Any = boto3.session.Session().client("s3", config=config)
        except BotoCoreError as error:
            raise ValueError(f"S3 can't be used: {error}") from None

    def list(self, paths: Iterable[str]) -> dict[str, ListedFile]:
        found: dict[str, ListedFile] = {}
        for prefix in paths:
            for one in self._list("list_objects_v2", "Contents", prefix):
                found[one["Key"].removeprefix(self.prefix)] = ListedFile(one["Size"], one["ETag"].strip('"'))
        return found

    def has(self, path: str) -> bool:
        try:
            with _errors_mapped():
                self._client.head_object(**self._object(path))
        except OSError:  # not there, or it can't be known
            return False
        return True

    def read(self, path: str) -> bytes | None:
        try:
            with _errors_mapped():
                return bytes(self._client.get_object(**self._object(path))["Body"].read())
        except FileNotFoundError:
            return None

    def fetch(self, path: str, file: Path) -> bool:
        try:
            with _errors_mapped(), file.open("wb") as out:
                shutil.copyfileobj(self._client.get_object(**self._object(path))["Body"], out, BUFFER_BYTES)
        except FileNotFoundError:
            return False
        return True

    def put(self, path: str, content: bytes) -> None:
        with _errors_mapped():
            self._client.put_object(**self._object(path), Body=content)

    def move(self, file: Path, path: str) -> ListedFile:
        from boto3.s3.transfer import TransferConfig

        size = file.stat().st_size
        settings = TransferConfig(
            multipart_threshold=MAX_BYTES_AT_ONCE, multipart_chunksize=UPLOAD_PART_BYTES, max_concurrency=2
        )
        with _errors_mapped():
            self._client.upload_file(str(file), self.bucket, self.prefix + path, Config=settings)
            head = self._client.head_object(**self._object(path))
        file.unlink()
        return ListedFile(size, head["ETag"].strip('"'))

    def delete(self, path: str) -> None:
        with _errors_mapped():
            self._client.delete_object(**self._object(path))

    def abort_uploads(self, is_ours: Callable[[str], bool]) -> None:
        """Delete what a process that was killed has uploaded in part: no listing of objects shows it, and it is kept for good.

        Args:
            is_ours: whether a path is one of ours: other programs may be uploading to the same bucket.
        """
        for upload in self._list("list_multipart_uploads", "Uploads", ""):
            path = upload["Key"].removeprefix(self.prefix)
            if is_ours(path):
                with _errors_mapped():
                    self._client.abort_multipart_upload(**self._object(path), UploadId=upload["UploadId"])

    def _list(self, operation: str, member: str, prefix: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator(operation).paginate(Bucket=self.bucket, Prefix=self.prefix + prefix)
        with _errors_mapped():
            for page in pages:
                yield from page.get(member, [])

    def _object(self, path: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.prefix + path}


@contextmanager
def _errors_mapped() -> Iterator[None]:
    """Turn boto3's errors into StorageError, or FileNotFoundError if there is no such object."""
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in GONE:
            raise FileNotFoundError(str(error)) from None
        raise StorageError(str(error), "access" if code in REFUSED else "service") from None
    except S3UploadFailedError as error:
        raise StorageError(str(error), "service") from None
    except BotoCoreError as error:
        raise StorageError(str(error), "connection") from None


def split_s3_url(url: str) -> tuple[str, str]:
    """The bucket of `s3://bucket/prefix`, which may be empty by mistake, and how its keys begin: nothing, or `prefix/`."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    return bucket, f"{prefix}/" if prefix else ""
