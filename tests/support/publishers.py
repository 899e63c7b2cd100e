"""Publishers as processes, events that are stored meanwhile, and what is in their topics."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from kafka_cluster import KafkaCluster
from kafka_records import read_topic
from ports import free_port
from servers import running
from storers import Storer, make_row
from waiting import wait_until

from event_tracker.model.storing.record import read_record
from event_tracker.model.storing.row import Row
from event_tracker.model.storing.store_events import EventStore


class Publisher(Storer):
    """A publisher, as a process. Its `url` is that of its metrics."""


@contextmanager
def publishers(folder: Path, kafka: KafkaCluster, topic: str, database_url: str) -> Iterator[Callable[..., Publisher]]:
    """Yield a function that starts publishers to a topic; `wait=False` doesn't wait until they are ready."""
    started: list[Publisher] = []

    def start(*, wait: bool = True, **settings: object) -> Publisher:
        port = free_port()
        log = folder / f"publisher-{len(started)}.log"
        environment = {
            "KAFKA_BROKERS": kafka.servers, "KAFKA_SINGLE": "true", "PUBLISH_TOPIC": topic, "PUBLISH_FROM": "earliest",
            "DATABASE_URL": database_url, "METRICS_PORT": str(port),
            **{name: str(value) for name, value in settings.items()},
        }  # fmt: skip
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "event_tracker.streams.publisher"],
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        publisher = Publisher("publisher", f"http://127.0.0.1:{port}", process, log)
        started.append(publisher)
        running.append(publisher)
        if wait:
            publisher.wait_ready()
        return publisher

    try:
        yield start
    finally:
        for publisher in started:
            running.remove(publisher)
            if publisher.process.poll() is None:
                publisher.process.send_signal(signal.SIGTERM)
        for publisher in started:
            publisher.process.wait(30)


class Writer:
    """Stores events by the collector's statement."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._store = EventStore(lambda _: None)
        self._numbers = count()

    def store(self, *rows: Row) -> None:
        """Store these events."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            self._store.store_on(connection, rows)

    def store_new(self, number: int, **fields: Any) -> None:
        """Store so many new events."""
        self.store(*(make_row(next(self._numbers), **fields) for _ in range(number)))

    @contextmanager
    def storing(self, writers: int = 3) -> Iterator[None]:
        """Store events all the time, in some threads, whose transactions overlap."""
        stopping = threading.Event()
        failed: list[Exception] = []

        def go_on(pause: float) -> None:
            try:
                with psycopg.connect(self._url) as connection:
                    while not stopping.is_set():
                        connection.execute("select")  # begins a transaction
                        self._store.store_on(connection, [make_row(next(self._numbers)) for _ in range(20)])
                        stopping.wait(pause)
                        connection.commit()
            except Exception as error:  # which would only end the thread
                failed.append(error)

        threads = [threading.Thread(target=go_on, args=(0.3 * number,)) for number in range(writers)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopping.set()
            for thread in threads:
                thread.join()
            assert failed == []


def stored_ids(owner: psycopg.Connection) -> set[bytes]:
    """The ids of all stored events."""
    return {row[0].bytes for row in owner.execute("select event_id from events")}


def published(kafka: KafkaCluster, topic: str) -> list[Row]:
    """The events of a topic; tombstones are left out."""
    return [read_record(one.value(), one.headers()) for one in read_topic(kafka, topic) if one.value() is not None]


def tombstones(kafka: KafkaCluster, topic: str) -> list[str]:
    """The users of whom there are tombstones behind all of their events."""
    last = {record.key(): record.value() for record in read_topic(kafka, topic)}
    return sorted(key.decode() for key, value in last.items() if value is None)


def wait_published(owner: psycopg.Connection, kafka: KafkaCluster, topic: str) -> list[Row]:
    """Wait until all stored events are published. Nothing else is there, and all is as it is stored."""
    ids = stored_ids(owner)
    wait_until(lambda: ids <= {row.event_id for row in published(kafka, topic)}, "all stored events are published", 120)
    rows = published(kafka, topic)
    assert {row.event_id for row in rows} == stored_ids(owner)
    return rows
