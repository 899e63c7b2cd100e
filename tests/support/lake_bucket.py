"""A bucket of moto with a lake in it."""

import uuid
from pathlib import Path
from typing import Any

import boto3
from moto_server import CREDENTIALS


class LakeBucket:
    """A bucket, and a client."""

    def __init__(self, url: str) -> None:
        self.settings = {**CREDENTIALS, "AWS_ENDPOINT_URL": url}
        self.s3: Any = boto3.client(
            "s3", endpoint_url=url, region_name="eu-central-1", aws_access_key_id="-", aws_secret_access_key="-"
        )
        self.name = f"lake-{uuid.uuid4().hex}"
        self.s3.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        self.target = f"s3://{self.name}/of/shop"

    def list_keys(self) -> list[str]:
        return [one["Key"] for one in self.s3.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def download(self, folder: Path) -> Path:
        """All objects below the prefix."""
        for key in self.list_keys():
            path = folder / key.removeprefix("of/shop/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.s3.get_object(Bucket=self.name, Key=key)["Body"].read())
        return folder
