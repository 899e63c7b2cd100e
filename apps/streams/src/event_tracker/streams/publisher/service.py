"""Builds the publisher from its parts, and runs it."""

import math
import threading
from contextlib import ExitStack
from functools import partial

import structlog

from event_tracker.core.kafka.last_error import LastError
from event_tracker.core.kafka.topic import check_topic
from event_tracker.model.relaying.relay import Relay
from event_tracker.streams.process.brokers import exit_with_message, wait_for_topic
from event_tracker.streams.process.database import exit_if_refused, open_database
from event_tracker.streams.process.lifecycle import LoopState, serve_metrics_and_checks
from event_tracker.streams.publisher import metrics
from event_tracker.streams.publisher.publisher import Publisher
from event_tracker.streams.publisher.record_writer import RecordWriter
from event_tracker.streams.publisher.settings import PublisherSettings

log = structlog.get_logger("publisher")


def run(settings: PublisherSettings) -> None:
    """Publish until SIGTERM or Ctrl-C.

    Raises:
        SystemExit: with an error message, if a person must do something, or if a new process may do better.
    """
    loop, is_ready = LoopState(), threading.Event()
    with exit_with_message("publisher"), exit_if_refused("publisher"), ExitStack() as stack:
        serve_metrics_and_checks("publisher", settings, {"/livez": loop.is_alive, "/readyz": is_ready.is_set}, stack)
        topics = [
            topic
            for name in settings.topics
            if (topic := wait_for_topic(partial(check_topic, settings, name, "publisher"), loop.wait))
        ]
        if len(topics) < len(settings.topics):
            return
        pool = stack.enter_context(
            open_database(
                settings.database_url,
                "publisher",
                settings.statement_seconds,
                max_lifetime_seconds=math.inf,  # the turn is the session's
            )
        )
        relay = Relay(
            pool,
            settings.publisher_name,
            destination="published topics",
            from_earliest=settings.publish_from == "earliest",
            wants_erasures=True,
            max_events=settings.batch_events,
            max_bytes=settings.batch_bytes,
        )
        writer = RecordWriter(
            settings,
            max_message_bytes=min(topic.max_message_bytes for topic in topics),
            last_error=LastError(),
            should_continue=lambda: loop.wait() and relay.has_turn(),
        )
        stack.callback(writer.close)
        publisher = Publisher(
            relay, writer, settings.publish_topic, settings.filtered_topics, loop.wait, on_round=is_ready.set
        )
        metrics.LAG_SECONDS.set_function(publisher.measure_lag)
        log.info("starts", topics=settings.topics)
        publisher.run()
        log.info("stops")
