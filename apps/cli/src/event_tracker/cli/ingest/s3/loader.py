"""Reads objects and sends their lines, by the same steps as `tracker send`; each object is finished when all its lines are stored."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import BinaryIO, NamedTuple

import click

from event_tracker.cli.client import Client
from event_tracker.cli.ingest.compression import READ_ERRORS
from event_tracker.cli.ingest.delivery import Outcome, deliver, deliver_all
from event_tracker.cli.ingest.entries import EventLine
from event_tracker.cli.ingest.event_ids import EventIdMaker
from event_tracker.cli.ingest.input import AUTO, Input, Item
from event_tracker.cli.ingest.logs.read import LogOptionsError, LogReader
from event_tracker.cli.ingest.s3 import metrics
from event_tracker.cli.ingest.s3.bucket import BrokenConnectionError, Bucket, GoneError, OpenObject, S3Error
from event_tracker.cli.ingest.s3.ledger import Ledger, Result
from event_tracker.cli.ingest.tally import Tally


class End(Enum):
    """How the reading of an object ended."""

    READ = auto()
    KNOWN = auto()
    GONE = auto()
    PASSED_OVER = auto()
    FAILED = auto()
    """It will be tried again."""


class _KnownError(Exception):
    """This content was read before."""


class Part(NamedTuple):
    """Some lines of an object; or its end.

    Attributes:
        why: it failed.
        kind: of the failure, as the metric names it.
    """

    key: str
    etag: str
    items: list[Item]
    end: End | None = None
    why: str = ""
    kind: str = ""


class ObjectLoader:
    """Reads objects of a bucket.

    Args:
        format_: of the objects, or `auto`.
        most: lines in a request.
        stopping: set when no other line shall be sent.

    Attributes:
        ends: how many objects ended in which way.
        alive: when it last did something, by the monotonic clock.
    """

    def __init__(
        self, bucket: Bucket, ledger: Ledger, client: Client, logs: LogReader, identifier: EventIdMaker, tally: Tally,
        stopping: threading.Event, format_: str = AUTO, most: int = 1000,
    ) -> None:  # fmt: skip
        self._bucket, self._ledger, self._client, self._logs, self._tally = bucket, ledger, client, logs, tally
        self._stopping, self._most = stopping, most
        self._input = Input([], format_, identifier, logs, self._open)
        self._opened: OpenObject | None = None
        self.ends = dict.fromkeys(End, 0)
        self.alive = time.monotonic()

    def load(self, objects: Iterable[tuple[str, str]]) -> Iterator[tuple[str, End]]:
        """Read objects, and send their lines. Yield each key when its object has ended; fewer if it is stopped.

        Args:
            objects: keys and ETags; the latter may be empty.

        Raises:
            ServiceError: if the collector fails.
            S3Error: if S3 fails, and not for one object alone.
            LogOptionsError: if the options don't fit.
        """
        result = Result()
        for part, outcome in deliver_all(self._client, self._parts(objects), self._send):
            self.alive = time.monotonic()
            if part.items:
                self._count(part, outcome, result)
            if part.end is not None:
                yield part.key, self._finish(part, result)
                result = Result()

    def _send(self, part: Part) -> Outcome:
        return deliver(self._client, [item.entry.event for item in part.items if isinstance(item.entry, EventLine)])

    def _parts(self, objects: Iterable[tuple[str, str]]) -> Iterator[Part]:
        for key, etag in objects:
            if self._stopping.is_set():
                return
            if etag and self._ledger.is_done(key, etag):
                yield self._known(key, etag)
                continue
            for part in self._parts_of(key, etag):
                yield part
                if self._stopping.is_set() and part.end is None:
                    return

    def _parts_of(self, key: str, etag: str) -> Iterator[Part]:
        """The parts of an object. One that is gone or can't be read costs no other."""
        self._opened = None
        try:
            for items in self._input.batches_of(key, self._most):
                yield Part(key, self._etag(etag), items)
        except GoneError:
            yield Part(key, etag, [], End.GONE)
        except _KnownError:
            yield self._known(key, self._etag(etag))
        except (S3Error, click.UsageError, *READ_ERRORS) as error:
            kind = _kind_of(error)
            why = error.message if isinstance(error, click.UsageError) else str(error)
            yield Part(key, self._etag(etag), [], End.FAILED, why, kind)
        else:
            yield Part(key, self._etag(etag), [], End.READ)

    def _known(self, key: str, etag: str) -> Part:
        return Part(key, etag, [], End.PASSED_OVER if self._ledger.is_passed_over(key, etag) else End.KNOWN)

    def _etag(self, etag: str) -> str:
        """The ETag of what is read, which may be newer than what was listed."""
        return self._opened.etag if self._opened is not None else etag

    @contextmanager
    def _open(self, key: str) -> Iterator[BinaryIO]:
        self._opened = opened = self._bucket.open(key)
        try:
            if self._ledger.is_done(key, opened.etag):
                opened.close()
                raise _KnownError
            with opened.as_file() as file:
                yield file
        finally:
            metrics.BYTES.inc(opened.bytes_read)

    def _count(self, part: Part, outcome: Outcome, result: Result) -> None:
        rejected, expired, left_out = self._tally.rejected, self._tally.expired, self._tally.left_out.total()
        self._tally.add(part.items, outcome)
        result.lines += len(part.items)
        result.stored += outcome.stored
        result.duplicates += outcome.duplicates
        metrics.LINES.inc(len(part.items))
        counts = {
            "stored": outcome.stored,
            "duplicate": outcome.duplicates,
            "accepted": outcome.accepted,
            "rejected": self._tally.rejected - rejected,
            "expired": self._tally.expired - expired,
            "left_out": self._tally.left_out.total() - left_out,
        }
        for name, number in counts.items():
            metrics.EVENTS.labels(name).inc(number)

    def _finish(self, part: Part, result: Result) -> End:
        end = part.end
        assert end is not None
        if end is End.READ:
            result.newest = self._logs.newest
            self._ledger.finish(part.key, part.etag, result)
            metrics.OBJECTS.labels("read").inc()
        elif end is End.GONE:
            metrics.OBJECTS.labels("gone").inc()
        elif end is End.FAILED:
            end = self._fail(part)
        if end is not End.FAILED:
            self._ledger.forget_unread(part.key)
        self.ends[end] += 1
        return end

    def _fail(self, part: Part) -> End:
        metrics.ERRORS.labels(part.kind).inc()
        if part.kind != "content" or not self._ledger.fail(part.key, part.etag):
            click.echo(f"{part.key}: {part.why} It will be tried again.", err=True)
            return End.FAILED
        metrics.OBJECTS.labels("passed_over").inc()
        click.echo(f"Error: {part.key} can't be read and is passed over: {part.why}", err=True)
        return End.PASSED_OVER


def _kind_of(error: Exception) -> str:
    """The kind of an error that is about one object. Raises any other."""
    is_of_machine = isinstance(error, OSError) and error.errno is not None
    if (
        isinstance(error, LogOptionsError)
        or is_of_machine
        or (isinstance(error, S3Error) and not error.is_about_object)
    ):
        raise error
    if isinstance(error, S3Error):
        return error.kind
    return "connection" if isinstance(error, BrokenConnectionError) else "content"
