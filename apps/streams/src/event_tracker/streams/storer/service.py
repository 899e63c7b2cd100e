"""Builds the storer from its parts, and runs it."""

from collections.abc import Callable

import psycopg

from event_tracker.core.kafka.topic import KafkaUnreachableError, read_keep
from event_tracker.core.kafka.topic_ends import TopicEndReader
from event_tracker.core.postgres.pool import UNAVAILABLE
from event_tracker.streams.consuming.loop import ConsumerLoop
from event_tracker.streams.consuming.service import Process, run_consumer
from event_tracker.streams.consuming.subscription import Subscription
from event_tracker.streams.process.database import exit_if_refused, open_database
from event_tracker.streams.storer import metrics
from event_tracker.streams.storer.batch_store import BatchStore, OtherFormatError
from event_tracker.streams.storer.erased_users import ErasedUsers
from event_tracker.streams.storer.settings import StorerSettings

ADVICE = "`tracker topics init --from earliest` goes on with the first record that is left; all other partitions stay where they are."


def run(settings: StorerSettings) -> None:
    """Store until SIGTERM or Ctrl-C; then the batch that is being stored is finished, and its offsets are committed.

    Raises:
        SystemExit: with an error message, if a person must do something, or if a new process may do better.
    """
    topics = [settings.kafka_topic, settings.kafka_rejections_topic]
    with exit_if_refused("storer"):
        run_consumer(
            "storer", settings, topics, metrics.CONSUMER, lambda process: _store(settings, process), (OtherFormatError,)
        )


def subscribe(settings: StorerSettings, restarted: Callable[[], None] = lambda: None) -> Subscription:
    """What storers read. Refused events are kept as well as can be: a loss of them doesn't stop the storing of events.

    Args:
        restarted: is called when some are lost: their topic may have been made again.
    """
    topics = [settings.kafka_topic, settings.kafka_rejections_topic]
    return Subscription(
        client="storer",
        topics=topics,
        done="stored",
        advice=ADVICE,
        skippable_topic=settings.kafka_rejections_topic,
        on_restarted=lambda _: restarted(),
    )


def _store(settings: StorerSettings, process: Process) -> None:
    pool = process.stack.enter_context(open_database(settings.database_url, "storer", settings.statement_seconds))
    ends = TopicEndReader(settings, "storer")
    erased = ErasedUsers(
        pool,
        [settings.kafka_topic, settings.kafka_rejections_topic],
        read_keep=lambda topic: read_keep(settings, topic, "storer"),
        read_id=ends.read_id,
        read_ends=ends.read,
    )
    store = BatchStore(
        pool,
        erased,
        settings.kafka_rejections_topic,
        rejections_kept=settings.rejections_kept,
        rejection_bytes=settings.rejection_bytes,
    )
    ConsumerLoop(
        process.open_source(subscribe(settings, erased.register_again)),
        store.store,
        process.liveness,
        retried_errors=(*UNAVAILABLE, KafkaUnreachableError),
        halving_errors=(psycopg.errors.QueryCanceled,),
        max_records=settings.group_events,
        max_bytes=settings.group_bytes,
        before_read=erased.look,
        is_stopping=process.is_stopping,
    ).run()
