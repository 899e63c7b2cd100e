"""Sends what is in an outbox to a collector: at least once, and stored once, since each event has its identity in the outbox."""

import threading
import time
from collections import Counter

import click
import msgspec
import psycopg

from event_tracker.cli.client import Client
from event_tracker.cli.errors import UnavailableError
from event_tracker.cli.ingest.delivery import Outcome, deliver
from event_tracker.cli.outbox import metrics
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.retry import backoff

QUERIES = load_queries("event_tracker.cli.outbox")

MAX_COUNTED = 100_000
"""Events are counted up to here, so that a long outbox isn't read for its metrics."""

MEASURE_SECONDS = 5.0
"""How often the metrics are read from the outbox while events are sent."""

MAX_WAIT_SECONDS = 60.0


class OutboxSender:
    """Sends the events of one outbox, the oldest first.

    Args:
        url: of the database with the outbox.
        source: only its events; None: all.
        batch: most events in a request.
        interval_seconds: between two looks at an empty outbox.

    Attributes:
        sent: how many events, by outcome.
        active_at: when it last did something, by the monotonic clock.
        is_connected: whether it has read the outbox.
    """

    def __init__(
        self,
        url: str,
        client: Client,
        stopping: threading.Event,
        *,
        source: str | None,
        batch: int,
        interval_seconds: float,
    ) -> None:
        self._url, self._client, self._stopping = url, client, stopping
        self._source, self._batch, self._interval_seconds = source, batch, interval_seconds
        self._measured_at, self._lag = float("-inf"), 0.0
        self.sent: Counter[str] = Counter()
        metrics.LAG.set_function(self._find_lag)
        self.active_at = time.monotonic()
        self.is_connected = False

    def follow(self) -> None:
        """Send until it is stopped. Failures of the database and of the collector are told, and tried again.

        Raises:
            ServiceError: if the collector refuses the requests, which won't change.
        """
        failures = 0
        while not self._stopping.is_set():
            try:
                with self._connect() as connection:
                    while not self._stopping.is_set():
                        sent = self.send_batch(connection)
                        self.active_at = time.monotonic()
                        self._measure(connection, at_once=not sent)
                        failures = 0
                        if not sent:
                            self._stopping.wait(self._interval_seconds)
            except (UnavailableError, psycopg.Error) as error:
                if self._stopping.is_set():
                    break
                metrics.ERRORS.labels("database" if isinstance(error, psycopg.Error) else "collector").inc()
                click.echo(f"Error: {' '.join(str(error).split())}", err=True)
                self._stopping.wait(backoff(failures, MAX_WAIT_SECONDS))
                failures += 1
                self.active_at = time.monotonic()

    def send_all(self) -> None:
        """Send until nothing waits that no other sender has.

        Raises:
            ServiceError, psycopg.Error: if it can't be done.
        """
        with self._connect() as connection:
            while not self._stopping.is_set() and self.send_batch(connection):
                pass
            self._measure(connection, at_once=True)

    def send_batch(self, connection: psycopg.Connection) -> int:
        """Send a batch. Its events are deleted, or marked as refused, once the collector has answered; else they are sent again.

        Returns how many there were.

        Raises:
            ServiceError: if the collector is unavailable, or refuses the whole request.
        """
        with connection.transaction():
            rows = connection.execute(QUERIES["take_events"], {"source": self._source, "rows": self._batch}).fetchall()
            if not rows:
                return 0
            if not self._lag:  # the first events after a pause: the collector may take long to answer
                self._measure(connection, at_once=True)
            outcome = deliver(self._client, [event.encode() for _, event in rows])
            refused = {rows[index][0]: errors for index, errors in outcome.errors.items()}
            connection.execute(QUERIES["delete_sent"], {"ids": [id_ for id_, _ in rows if id_ not in refused]})
            if refused:
                errors = [msgspec.json.encode(one).decode() for one in refused.values()]
                connection.execute(QUERIES["mark_refused"], {"ids": list(refused), "errors": errors})
        self._count(outcome)
        return len(rows)

    def _connect(self) -> psycopg.Connection:
        connection = psycopg.connect(
            self._url, autocommit=True, connect_timeout=10, application_name="tracker outbox", options="-c timezone=UTC"
        )
        self._measure(connection, at_once=True)
        self.is_connected = True
        return connection

    def _measure(self, connection: psycopg.Connection, *, at_once: bool) -> None:
        """Set the metrics of what is in the outbox."""
        if not at_once and time.monotonic() - self._measured_at < MEASURE_SECONDS:
            return
        parameters = {"source": self._source, "most": MAX_COUNTED}
        ((waiting, lag, refused),) = connection.execute(QUERIES["measure"], parameters).fetchall()
        metrics.WAITING.set(waiting)
        self._lag = lag
        metrics.REFUSED.set(refused)
        self._measured_at = time.monotonic()

    def _find_lag(self) -> float:
        """The lag now: it grows while the outbox or the collector is unavailable."""
        return self._lag + time.monotonic() - self._measured_at if self._lag else 0.0

    def _count(self, outcome: Outcome) -> None:
        numbers = {
            "stored": outcome.stored,
            "duplicate": outcome.duplicates,
            "accepted": outcome.accepted,
            "expired": len(outcome.expired),
            "refused": len(outcome.errors),
        }
        self.sent.update(numbers)
        for name, number in numbers.items():
            metrics.EVENTS.labels(name).inc(number)
