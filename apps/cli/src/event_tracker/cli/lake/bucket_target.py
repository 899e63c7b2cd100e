"""A lake in a bucket of S3. boto3 is an extra: `event-tracker-cli[s3]`."""

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import click

from event_tracker.cli.ingest.s3.bucket import BUFFER_BYTES, GoneError, S3Error, make_client, s3_errors
from event_tracker.cli.lake.target import TOPS, ListedFile, empty_folder, temporary_folder
from event_tracker.columns.archive.manifest import MARKER, is_data_file
from event_tracker.core.s3_url import split_s3_url

MAX_BYTES_AT_ONCE = 5 * 2**30
"""S3 takes no larger object in one request."""

UPLOAD_PART_BYTES = 64 * 2**20


class BucketTarget:
    """A prefix of a bucket. A request replaces an object at once, and all who read afterwards see the new one.

    Args:
        name: `s3://bucket/prefix`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.bucket, self.prefix = split_s3_url(name)
        if not self.bucket:
            raise click.UsageError(f"{name} names no bucket: s3://bucket/prefix.")
        self._client = make_client("s3")

    def work_folder(self) -> AbstractContextManager[Path]:
        self._abort_uploads()
        return empty_folder(temporary_folder("export", f"{self.bucket}/{self.prefix}"))

    def list(self) -> dict[str, ListedFile]:
        found: dict[str, ListedFile] = {}
        with s3_errors():
            for top in (MARKER, *(f"{top}/" for top in TOPS)):
                pages = self._client.get_paginator("list_objects_v2").paginate(
                    Bucket=self.bucket, Prefix=self.prefix + top
                )
                for page in pages:
                    for one in page.get("Contents", []):
                        path = one["Key"].removeprefix(self.prefix)
                        found[path] = ListedFile(one["Size"], one["ETag"].strip('"'))
        return found

    def read(self, path: str) -> bytes | None:
        try:
            with s3_errors():
                answer = self._client.get_object(Bucket=self.bucket, Key=self.prefix + path)
                return bytes(answer["Body"].read())
        except GoneError:
            return None

    def fetch(self, path: str, file: Path) -> bool:
        try:
            with s3_errors(), file.open("wb") as out:
                answer = self._client.get_object(Bucket=self.bucket, Key=self.prefix + path)
                shutil.copyfileobj(answer["Body"], out, BUFFER_BYTES)
        except GoneError:
            return False
        return True

    def put(self, file: Path, path: str) -> ListedFile:
        size = file.stat().st_size
        key = self.prefix + path
        with s3_errors():
            if size > MAX_BYTES_AT_ONCE:
                self._upload(file, key)
            else:
                with file.open("rb") as body:
                    self._client.put_object(Bucket=self.bucket, Key=key, Body=body)
            head = self._client.head_object(Bucket=self.bucket, Key=key)
        file.unlink()
        return ListedFile(size, head["ETag"].strip('"'))

    def delete(self, path: str) -> None:
        with s3_errors():
            self._client.delete_object(Bucket=self.bucket, Key=self.prefix + path)

    def _upload(self, file: Path, key: str) -> None:
        """Write an object in several requests; it is there when the last one is done."""
        from boto3.exceptions import S3UploadFailedError
        from boto3.s3.transfer import TransferConfig

        settings = TransferConfig(multipart_threshold=1, multipart_chunksize=UPLOAD_PART_BYTES, max_concurrency=2)
        try:
            self._client.upload_file(str(file), self.bucket, key, Config=settings)
        except S3UploadFailedError as error:
            raise S3Error(str(error), "service") from None

    def _abort_uploads(self) -> None:
        """Delete what an exporter that was killed has uploaded in part: no listing of objects shows it, and it is kept for good.

        Other programs may be uploading to the same bucket: theirs have other names.
        """
        with s3_errors():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.bucket, Prefix=self.prefix
            )
            for page in pages:
                for upload in page.get("Uploads", []):
                    if is_data_file(upload["Key"].removeprefix(self.prefix)):
                        self._client.abort_multipart_upload(
                            Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )
