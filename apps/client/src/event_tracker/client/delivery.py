"""The queue of one process, and the thread that sends what is in it."""

import logging
import time
from dataclasses import dataclass
from itertools import count
from threading import Condition, Thread, current_thread

from event_tracker.client.collector import Collector, NoAnswer, RefusedRequest, SettledAnswer
from event_tracker.client.memory_queue import MAX_BATCH_EVENTS, Batch, Queue, QueueFullError
from event_tracker.client.retry import backoff
from event_tracker.client.undelivered import Reporter, make_undelivered

logger = logging.getLogger("event_tracker.client")

SECONDS_BETWEEN_ADOPTIONS = 30.0
SECONDS_AFTER_A_FAULT = 1.0

SECONDS_TO_END = 0.1
"""A thread that waits for nothing but an answer isn't waited for longer than this."""

TOO_LARGE = 413


@dataclass(frozen=True)
class Stats:
    """What became of the events of this process so far.

    Attributes:
        queued: events that wait, with those that are being sent.
        delivered: events that the collector has stored, knew already, or let expire.
        refused: events that the collector refused.
        dropped: events that weren't sent, since the queue was full or the client was closed.
        retried: requests that were sent again.
    """

    queued: int
    delivered: int
    refused: int
    dropped: int
    retried: int


class Delivery:
    """Sends what is put into the queue, in one thread, which starts with the first event.

    Args:
        reporter: is told of events that won't be delivered.
        interval_seconds: how long an event may wait for others to fill its batch.
    """

    def __init__(
        self,
        queue: Queue,
        collector: Collector,
        reporter: Reporter,
        interval_seconds: float,
    ) -> None:
        self._queue, self._collector, self._reporter, self._interval = queue, collector, reporter, interval_seconds
        self._changed = Condition()
        self._thread: Thread | None = None
        self._batch: Batch | None = None  # what is being sent
        self._in_flight: list[bytes] = []  # of that, what the collector hasn't answered for
        self._first_put_at = self._adopted_at = float("-inf")
        self._flushing = 0
        self._closing = self._stopped = False
        self._stop_at = float("inf")
        self._left = 0  # on disk, once the client is closed
        self._delivered = self._refused = self._dropped = self._retried = 0

    def stats(self) -> Stats:
        """See Stats."""
        with self._changed:
            return Stats(self._queued(), self._delivered, self._refused, self._dropped, self._retried)

    def put(self, line: bytes) -> None:
        """Queue an event, or report it. It waits for no answer."""
        try:
            with self._changed:
                self._put(line)
                self._start()
        except QueueFullError as full:
            with self._changed:
                self._dropped += 1
            self._reporter.report([make_undelivered(line, "closed" if self._closing else "queue_full", str(full))])

    def start(self) -> None:
        """Start the thread, for what earlier processes left behind."""
        with self._changed:
            self._start()

    def flush(self, timeout_seconds: float | None) -> bool:
        """Send what waits, without waiting for more. Returns whether nothing waits any more, after `timeout_seconds` at most."""
        with self._changed:
            self._flushing += 1
            if self._queued() and not self._closing:
                self._start()
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: not self._queued(), timeout_seconds)
            finally:
                self._flushing -= 1

    def close(self, timeout_seconds: float) -> bool:
        """Flush, and end the thread. What is left then is reported, or stays on disk. Returns whether nothing is left."""
        with self._changed:
            self._closing, self._stop_at = True, time.monotonic() + timeout_seconds
            self._changed.notify_all()
            thread = self._thread if self._runs() else None
            if thread:
                self._changed.wait_for(lambda: not self._queued(), timeout_seconds)
        if not thread:
            self._run()  # at the end of the interpreter no thread can be started
        with self._changed:
            if self._stopped:
                return not self._left
            left, self._stopped = self._queued(), True
            in_memory = [] if self._batch is None or self._batch.file else self._in_flight
            lost = [*in_memory, *self._queue.close()]
            self._dropped += len(lost)
            self._left, self._in_flight = left - len(lost), []
            self._changed.notify_all()
        if thread and thread is not current_thread():
            thread.join(max(SECONDS_TO_END, self._stop_at - time.monotonic()))
        self._collector.close()
        why = "The client was closed before the collector had it."
        self._reporter.report([make_undelivered(line, "closed", why) for line in lost])
        return not left

    def abandon(self) -> None:
        """In a forked process: free what the parent's queue holds. Its lock may be held by a thread that isn't here."""
        self._queue.close()

    def _put(self, line: bytes) -> None:
        if self._closing:
            raise QueueFullError("The client is closed.")
        before = self._queue.waiting()
        self._queue.put(line)
        if before == 0:
            self._first_put_at = time.monotonic()
        if before == 0 or before + 1 == MAX_BATCH_EVENTS:
            self._changed.notify_all()

    def _start(self) -> None:
        if not self._runs():
            thread = Thread(target=self._run, name="event-tracker-client", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is ending: `close` sends
                return
            self._thread = thread

    def _runs(self) -> bool:
        """Whether there is a thread. It ends with the client, unless something raises SystemExit or the like in it."""
        return self._thread is not None and self._thread.is_alive()

    def _queued(self) -> int:
        return self._left if self._stopped else len(self._in_flight) + self._queue.waiting()

    def _run(self) -> None:
        while True:
            try:
                if not self._next():
                    return
                if self._deliver(self._in_flight):
                    self._remove()
            except Exception:
                logger.exception("sending events failed")
                if not self._wait(SECONDS_AFTER_A_FAULT):
                    return

    def _next(self) -> bool:
        """Wait until there is a batch to send. Returns whether there is one; if not, this is the end."""
        with self._changed:
            while not self._stopped:
                if self._in_flight:  # of a batch that failed here
                    return time.monotonic() < self._stop_at
                if self._batch:  # of a thread that was ended
                    self._remove()
                self._adopt()
                if self._due_in() <= 0:
                    self._batch = self._queue.take()
                    self._in_flight = self._batch.lines if self._batch else []
                    if not self._in_flight:
                        self._remove()
                elif self._closing:
                    return False
                else:
                    self._changed.wait(min(self._due_in(), SECONDS_BETWEEN_ADOPTIONS))
            return False

    def _adopt(self) -> None:
        if time.monotonic() - self._adopted_at >= SECONDS_BETWEEN_ADOPTIONS:
            self._adopted_at = time.monotonic()
            before = self._queue.waiting()
            self._queue.adopt()
            if self._queue.waiting() > before:
                self._first_put_at = float("-inf")

    def _due_in(self) -> float:
        """Seconds until the next batch is to be sent."""
        waiting = self._queue.waiting()
        if not waiting:
            return float("inf")
        if waiting >= MAX_BATCH_EVENTS or self._flushing or self._closing:
            return 0.0
        return self._first_put_at + self._interval - time.monotonic()

    def _deliver(self, lines: list[bytes]) -> bool:
        """Send events until the collector has answered for each. Returns False if the client was closed meanwhile."""
        answer = self._answer(lines)
        if answer is None:
            return False
        if isinstance(answer, RefusedRequest) and answer.status == TOO_LARGE and len(lines) > 1:
            half = len(lines) // 2
            return self._deliver(lines[:half]) and self._deliver(lines[half:])
        if isinstance(answer, RefusedRequest):
            errors = [make_undelivered(line, answer.code, answer.detail, answer.status) for line in lines]
        else:
            errors = [
                make_undelivered(lines[index], found[0]["code"], found[0]["detail"], answer.status, found)
                for index, found in sorted(answer.errors.items())
            ]
        with self._changed:
            if self._stopped:
                return False
            self._in_flight = self._in_flight[len(lines) :]
            self._delivered += len(lines) - len(errors)
            self._refused += len(errors)
        self._reporter.report(errors, own_thread=True)
        return True

    def _answer(self, lines: list[bytes]) -> SettledAnswer | RefusedRequest | None:
        """Send events until there is an answer. None if the client was closed meanwhile."""
        for attempt in count():
            answer = self._collector.post(lines)
            if not isinstance(answer, NoAnswer):
                return answer
            wait = max(answer.wait_seconds, backoff(attempt))
            if attempt == 0:
                logger.warning("The collector hasn't stored %d events: %s. Trying again.", len(lines), answer.why)
            if not self._wait(wait):
                return None
            with self._changed:
                self._retried += 1
        raise AssertionError("unreachable")

    def _remove(self) -> None:
        with self._changed:
            batch, self._batch = self._batch, None
            if batch and not self._stopped:
                self._queue.remove(batch)
            self._changed.notify_all()

    def _wait(self, seconds: float) -> bool:
        """Returns False if the client is closed, or will be by then."""
        until = time.monotonic() + seconds
        with self._changed:
            while not self._stopped and (now := time.monotonic()) < min(until, self._stop_at):
                self._changed.wait(min(until, self._stop_at) - now)
            return not self._stopped and until <= self._stop_at
