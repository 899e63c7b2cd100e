"""S3 and SQS on loopback (moto), and a proxy in front of it that fails as S3 does at times."""

import gzip
import os
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import requests
from ports import free_port
from waiting import wait_until

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "of-tests",
    "AWS_SECRET_ACCESS_KEY": "of-tests",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}

Hook = Callable[[str, str], tuple[int, bytes] | int | None]
"""Is given a request's method and path. Returns an answer; or after how many bytes the answer breaks off; or None."""


@contextmanager
def moto_server(folder: Path) -> Iterator[str]:
    """A running server's URL."""
    port = free_port()
    command = [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return requests.get(f"{url}/moto-api/data.json", timeout=5).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(answers, "moto answers", 120)
        yield url
    finally:
        process.kill()
        process.wait()


class LogBucket:
    """A bucket, a queue of messages about its objects below `logs/`, and clients of both."""

    def __init__(self, url: str) -> None:
        given = {
            "endpoint_url": url, "region_name": CREDENTIALS["AWS_DEFAULT_REGION"],
            "aws_access_key_id": "of-tests", "aws_secret_access_key": "of-tests",
        }  # fmt: skip
        self.url = url
        self.s3: Any = boto3.client("s3", **given)
        self.sqs: Any = boto3.client("sqs", **given)
        self.name = f"logs-{uuid.uuid4().hex}"
        region = {"LocationConstraint": CREDENTIALS["AWS_DEFAULT_REGION"]}
        self.s3.create_bucket(Bucket=self.name, CreateBucketConfiguration=region)
        self.queue = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]

    def notify(self) -> None:
        """From now on, objects below `logs/` are told to the queue."""
        names = ["QueueArn"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]["QueueArn"]
        rules = [{"Name": "prefix", "Value": "logs/"}]
        told = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}
        self.s3.put_bucket_notification_configuration(
            Bucket=self.name, NotificationConfiguration={"QueueConfigurations": [told]}
        )

    def put(self, key: str, content: bytes | str) -> None:
        """Write an object, compressed if its key says so."""
        raw = content.encode() if isinstance(content, str) else content
        self.s3.put_object(Bucket=self.name, Key=key, Body=gzip.compress(raw) if key.endswith(".gz") else raw)

    def messages(self) -> int:
        """How many are in the queue, those that somebody has included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(map(int, found.values()))


class FailingProxy(ThreadingHTTPServer):
    """Passes requests on to a server, but for those that a hook answers.

    Attributes:
        hook: of the requests from now on.
        asked: the method and path of each.
    """

    daemon_threads = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = url
        self.hook: Hook = lambda _method, _path: None
        self.asked: list[tuple[str, str]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def gets(self) -> list[str]:
        """The keys of the objects that were read."""
        return [
            re.sub(r"^/[^/]+/", "", path) for method, path in self.asked if method == "GET" and "list-type" not in path
        ]


class _Handler(BaseHTTPRequestHandler):
    server: FailingProxy
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        self.server.asked.append((self.command, self.path))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        given = self.server.hook(self.command, self.path)
        if isinstance(given, tuple):
            self._answer(given[0], {"Content-Type": "application/xml"}, given[1])
            return
        headers = {name: value for name, value in self.headers.items() if name not in ("Host", "Connection")}
        answer = requests.request(
            self.command, self.server.target + self.path, data=body, headers=headers, stream=True, timeout=60
        )
        content = answer.raw.read(decode_content=False)
        kept = {
            name: value for name, value in answer.headers.items() if name in ("ETag", "Content-Type", "Last-Modified")
        }
        self._answer(answer.status_code, kept, content, given)

    do_GET = do_POST = do_PUT = do_HEAD = _pass_on  # noqa: N815

    def _answer(self, status: int, headers: dict[str, str], content: bytes, end: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[:end])
        self.close_connection = end is not None

    def log_message(self, *_: Any) -> None:
        pass
