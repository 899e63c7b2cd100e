"""Follows a bucket: lists it again and again, and looks at messages between two listings."""

import threading
import time
from collections.abc import Iterator

import click

from event_tracker.cli.client import Client
from event_tracker.cli.errors import UnavailableError
from event_tracker.cli.ingest.s3 import metrics
from event_tracker.cli.ingest.s3.bucket import Bucket, S3Error
from event_tracker.cli.ingest.s3.key_times import ListingStarts
from event_tracker.cli.ingest.s3.ledger import MAX_TRIES, Ledger
from event_tracker.cli.ingest.s3.loader import End, ObjectLoader
from event_tracker.cli.ingest.s3.messages import Message, Queue
from event_tracker.cli.progress import Meter
from event_tracker.core.retry import backoff

FULL_LISTING_SECONDS = 24 * 3600
"""How often all keys are listed, also those of hours long past."""

MAX_WAIT_SECONDS = 60.0
STEP_SECONDS = 5.0


class BucketFollower:
    """Reads what is in a bucket, and what comes.

    Args:
        queue: where messages about it come to.
        every: seconds between two listings.
        since: objects that were written before aren't read, as seconds of the epoch.
        meter: shows the progress.

    Attributes:
        objects: how many have ended.
        is_listed: whether the bucket was listed to its end.
    """

    def __init__(
        self, bucket: Bucket, queue: Queue | None, ledger: Ledger, loader: ObjectLoader, client: Client, stopping: threading.Event,
        meter: Meter, *, every: float, since: float = 0.0,
    ) -> None:  # fmt: skip
        self._bucket, self._queue, self._ledger, self._loader, self._client = bucket, queue, ledger, loader, client
        self._stopping, self._meter, self._every, self._since = stopping, meter, every, since
        self._starts = ListingStarts()
        self._full_at = 0.0
        self.objects = 0
        self.is_listed = False

    def read_once(self) -> None:
        """List the bucket, and read what is new in it.

        Raises:
            ServiceError, S3Error: if it can't be done.
        """
        self._list()
        for attempt in range(MAX_TRIES):
            self._read_unread()
            if self._stopping.is_set() or not self._ledger.unread()[0] or attempt == MAX_TRIES - 1:
                break
            self._stopping.wait(backoff(attempt))
        self._starts.finish_listing(key for key, _ in self._ledger.unread_keys())

    def follow(self) -> None:
        """List and read until it is stopped. Failures of the services are told, and tried again.

        Raises:
            ServiceError: if the collector refuses the requests, which won't change.
        """
        listed_at = float("-inf")
        failures = 0
        while not self._stopping.is_set():
            try:
                if time.monotonic() >= listed_at + self._every:
                    self.read_once()
                    listed_at = time.monotonic()
                elif self._queue:
                    self._read_messages(self._queue)
                else:
                    self._stopping.wait(min(STEP_SECONDS, listed_at + self._every - time.monotonic()))
                failures = 0
            except (UnavailableError, S3Error) as error:
                if self._stopping.is_set():
                    break
                metrics.ERRORS.labels(error.kind if isinstance(error, S3Error) else "collector").inc()
                click.echo(f"Error: {error}", err=True)
                self._client.resume()
                self._stopping.wait(backoff(failures, MAX_WAIT_SECONDS))
                failures += 1
            self._loader.alive = time.monotonic()

    def _list(self) -> None:
        """Note all objects that have to be read. Groups of keys are listed from where they begin."""
        if time.monotonic() - self._full_at > FULL_LISTING_SECONDS:
            self._starts.forget()
            self._full_at = time.monotonic()
        after, is_more = "", True
        while is_more and not self._stopping.is_set():
            objects, is_more = self._bucket.list_page(after)
            for one in objects:
                after = one.key
                start = self._starts.start_of(one.key)
                if start is not None and one.key < start:
                    after, is_more = start, True
                    break
                self._starts.see(one.key)
                is_old = one.modified is not None and one.modified.timestamp() < self._since
                if not is_old and one.bytes and not one.key.endswith("/"):
                    self._ledger.add_unread(one.key, one.etag or "", one.bytes)
            self._loader.alive = time.monotonic()
        if not self._stopping.is_set():
            metrics.LAST_LISTING.set_to_current_time()
            self.is_listed = True
        metrics.UNREAD.set(self._ledger.unread()[0])

    def _read_unread(self) -> None:
        for _key, _end in self._loader.load(self._ledger.unread_keys()):
            self.objects += 1
            metrics.UNREAD.set(self._ledger.unread()[0])
            self._meter.show(self.objects, self.objects)

    def _read_messages(self, queue: Queue) -> None:
        """Read what messages say, and delete those of which everything is stored."""
        messages = queue.receive()
        waiting: dict[str, list[Message]] = {}
        failed: set[str] = set()
        for message in messages:
            if message.error:
                metrics.ERRORS.labels("message").inc()
                click.echo(f"Error: a message of {queue.url} can't be read: {message.error}", err=True)
            elif not message.objects:
                queue.delete(message)
            for one in message.objects:
                waiting.setdefault(one.key, []).append(message)
        keys = ((one.key, one.etag or "") for message in messages for one in message.objects)
        open_objects = {message.receipt: {one.key for one in message.objects} for message in messages}
        for key, end in self._loader.load(_distinct(keys)):
            self.objects += 1
            if end in (End.FAILED, End.PASSED_OVER):
                failed.add(key)  # the queue's redrive policy makes a dead letter of it
                continue
            for message in waiting[key]:
                open_objects[message.receipt].discard(key)
                if not open_objects[message.receipt]:
                    queue.delete(message)


def _distinct(keys: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Each object once: SQS gives a message twice at times."""
    seen: set[tuple[str, str]] = set()
    for pair in keys:
        if pair not in seen:
            seen.add(pair)
            yield pair
