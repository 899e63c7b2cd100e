"""Messages of SQS that say which objects were written. They are hints: the listing finds what they don't say."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from event_tracker.cli.ingest.s3.bucket import GoneError, ListedObject, S3Error, s3_errors

MAX_MESSAGES = 10
"""At once: as many as SQS gives."""

WAIT_SECONDS = 10
"""For how long SQS waits for a message."""

HIDDEN_SECONDS = 300
"""For how long nobody else gets a message. Then it comes again, which costs a look into the ledger."""


class Message(NamedTuple):
    """A message.

    Attributes:
        receipt: by which it is deleted.
        objects: those of the bucket and prefix that were written. Of a message without any (a test event), it is empty.
        error: why it can't be read.
    """

    receipt: str
    objects: list[ListedObject]
    error: str | None = None


class Queue:
    """A queue that a bucket's notifications come to, directly or by SNS.

    Args:
        client: of SQS.
    """

    def __init__(self, client: Any, url: str, bucket: str, prefix: str, wait_seconds: int = WAIT_SECONDS) -> None:
        self.client, self.url, self.bucket, self.prefix, self.wait_seconds = client, url, bucket, prefix, wait_seconds

    def receive(self) -> list[Message]:
        """Wait for messages.

        Raises:
            S3Error: if the queue can't be read.
        """
        with _queue_errors():
            answer = self.client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=MAX_MESSAGES,
                WaitTimeSeconds=self.wait_seconds,
                VisibilityTimeout=HIDDEN_SECONDS,
            )
        return [self._read(one["ReceiptHandle"], one["Body"]) for one in answer.get("Messages", [])]

    def delete(self, message: Message) -> None:
        """Delete a message, when all that it says is stored.

        Raises:
            S3Error: if it can't be deleted. Then it comes again.
        """
        with _queue_errors():
            self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt)

    def _read(self, receipt: str, body: str) -> Message:
        try:
            content = json.loads(body)
            if "Records" not in content and isinstance(content.get("Message"), str):
                content = json.loads(content["Message"])  # by SNS
            if "Records" not in content and content.get("Event") != "s3:TestEvent":
                return Message(receipt, [], "it is no notification of S3")
            return Message(receipt, list(self._objects(content.get("Records", []))))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return Message(receipt, [], f"it is no notification of S3: {error!r}")

    def _objects(self, records: list[dict[str, Any]]) -> Iterator[ListedObject]:
        for record in records:
            written = record["s3"]
            key = unquote_plus(written["object"]["key"])
            is_ours = written["bucket"]["name"] == self.bucket and key.startswith(self.prefix)
            if is_ours and record["eventName"].removeprefix("s3:").startswith("ObjectCreated:"):
                yield ListedObject(key, written["object"].get("eTag"), written["object"].get("size", 0))


@contextmanager
def _queue_errors() -> Iterator[None]:
    try:
        with s3_errors():
            yield
    except GoneError as error:
        raise S3Error(str(error), "access") from None
