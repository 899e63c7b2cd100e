"""Builds the storer from its parts, and runs it."""

import signal
import sys
import threading
from contextlib import ExitStack
from importlib.metadata import version

import psycopg
import structlog
from confluent_kafka import KafkaException

from event_tracker.core import metrics as core_metrics
from event_tracker.core.kafka.last_error import LastError, make_cause
from event_tracker.core.kafka.topic import KafkaRefusedError, KafkaUnreachableError, find_topic
from event_tracker.core.metrics_port import serve_metrics
from event_tracker.core.postgres.pool import open_pool
from event_tracker.streams.storer import metrics
from event_tracker.streams.storer.batch_store import BatchStore, OtherFormatError
from event_tracker.streams.storer.liveness import Liveness
from event_tracker.streams.storer.membership import Membership
from event_tracker.streams.storer.positions import Positions
from event_tracker.streams.storer.settings import StorerSettings
from event_tracker.streams.storer.source import LostRecordsError, RecordSource
from event_tracker.streams.storer.storer import Storer, StuckError

log = structlog.get_logger("storer")

PACKAGE = "event-tracker-streams"

POOL_SECONDS = 3.0
"""How long it waits for a connection to the database before it says that it is unavailable."""


def run(settings: StorerSettings) -> None:
    """Store until SIGTERM or Ctrl-C; then the batch that is being stored is finished, and its offsets are committed.

    Raises:
        SystemExit: with a sentence, if a person must do something, or if a new process may do better.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        _run(settings, stopping)
    except (KafkaRefusedError, LostRecordsError, OtherFormatError, StuckError) as error:
        sys.exit(f"storer: {error}")
    except KafkaException as error:
        sys.exit(f"storer: Kafka: {make_cause(error.args[0])}.")
    except psycopg.errors.ProgrammingError as error:
        sys.exit(
            f"storer: the database has another schema, or the role has too few rights (run `tracker migrate`): {error}"
        )


def _run(settings: StorerSettings, stopping: threading.Event) -> None:
    core_metrics.BUILD_INFO.labels("storer", version(PACKAGE), settings.revision).set(1)
    positions, membership = Positions(), Membership()
    metrics.LAG_SECONDS.set_function(positions.measure_lag)
    liveness = Liveness(membership, positions.count_waiting)
    topics = [settings.kafka_topic, settings.kafka_rejections_topic]
    with ExitStack() as stack:
        if settings.metrics_port:
            checks = {
                "/livez": lambda: liveness.find_fault() is None,
                "/readyz": lambda: membership.has_joined and not stopping.is_set(),
            }
            try:
                stack.enter_context(serve_metrics(settings.host, settings.metrics_port, checks))
            except OSError as error:
                sys.exit(f"storer: METRICS_PORT: port {settings.metrics_port} can't be used: {error.strerror}")
        for topic in topics:
            _wait_for_topic(settings, topic, stopping, liveness)
        pool = stack.enter_context(
            open_pool(
                settings.database_url,
                name="storer",
                size=1,
                timeout=POOL_SECONDS,
                options={"statement_timeout": f"{int(settings.statement_seconds * 1000)}ms"},
            )
        )
        source = RecordSource(settings, topics, positions, membership, LastError())
        stack.callback(source.close)
        store = BatchStore(
            pool,
            settings.kafka_rejections_topic,
            rejections_kept=settings.rejections_kept,
            rejection_bytes=settings.rejection_bytes,
        )
        storer = Storer(
            source,
            store,
            liveness,
            most_records=settings.group_events,
            most_bytes=settings.group_bytes,
            is_stopping=stopping.is_set,
        )
        log.info("starts", topic=settings.kafka_topic, group=settings.kafka_group)
        storer.run()
        log.info("stops")


def _wait_for_topic(settings: StorerSettings, topic: str, stopping: threading.Event, liveness: Liveness) -> None:
    """Wait until a broker answers that the topic is there.

    Raises:
        KafkaRefusedError: if waiting doesn't help.
    """
    while not stopping.is_set():
        liveness.tick()
        try:
            find_topic(settings, topic, "storer")
        except KafkaUnreachableError as error:
            log.warning("waits for Kafka", cause=str(error))
        else:
            return
