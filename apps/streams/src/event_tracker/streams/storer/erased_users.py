"""Keeps what the storer knows of erased users up to date, in the database and from the brokers."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import psycopg
import structlog
from confluent_kafka import Message

from event_tracker.core.kafka.topic import CheckError, KafkaUnreachableError
from event_tracker.core.postgres.pool import UNAVAILABLE, ConnectionPool, attempt
from event_tracker.model.storing.topic_erasures import TopicEnds, TopicErasures

log = structlog.get_logger("storer.erased_users")

LOOK_SECONDS = 1.0
"""How often it looks for new erasures while nothing is stored. Who was erased and comes back before that is left out, too."""

REGISTER_SECONDS = 3600.0
"""How often it looks which topics these are, and how long they keep their records."""


class ErasedUsers:
    """Which records are of users who were erased since.

    Args:
        topics: what the storer reads.
        read_keep: how long a topic keeps a record at most.
        read_id: Kafka's id of a topic.
        read_ends: the same, with the topic's ends.

    The last three ask the brokers, and raise CheckError.
    """

    def __init__(
        self,
        pool: ConnectionPool[psycopg.Connection],
        topics: Sequence[str],
        *,
        read_keep: Callable[[str], timedelta | None],
        read_id: Callable[[str], str],
        read_ends: Callable[[str], tuple[str, list[int]]],
    ) -> None:
        self._pool = pool
        self._topics = topics
        self._read_keep, self._read_id, self._read_ends = read_keep, read_id, read_ends
        self._erasures = TopicErasures(self._find_ends)
        self._topic_ids: dict[str, str] = {}
        self._looked = self._registered = float("-inf")

    def look(self) -> None:
        """Now and then, look for new erasures, and for what the topics keep. Nothing is raised if PostgreSQL or Kafka is unavailable."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        try:
            self.prepare()
            attempt(self._pool, self._erasures.update)
        except UNAVAILABLE:  # the storer notices when it stores
            pass
        except KafkaUnreachableError as error:
            log.warning("can't look at the topics", cause=str(error))

    def prepare(self) -> None:
        """Note, before anything is stored, that the topics are read into this database; and again now and then.

        Raises:
            CheckError: if the brokers don't answer, or this user may not ask. Only the first time, and after `register_again`.
            psycopg.Error: if the database is unavailable.
        """
        now = time.monotonic()
        if now - self._registered < REGISTER_SECONDS:
            return
        before, self._registered = self._registered, now  # it may be set again meanwhile
        try:
            for topic in self._topics:
                self._register(topic)
        except CheckError as error:
            if before == float("-inf"):
                self._registered = before
                raise
            log.warning("can't look at the topics", cause=str(error))
        except psycopg.Error:
            self._registered = before
            raise

    def register_again(self) -> None:
        """Look at the topics before anything else is stored: one of them may have been made again."""
        self._registered = float("-inf")

    def _register(self, topic: str) -> None:
        topic_id, keep = self._read_id(topic), self._read_keep(topic)
        self._topic_ids[topic] = topic_id
        attempt(self._pool, lambda connection: self._erasures.register(connection, topic, topic_id, keep))

    def hold(self, connection: psycopg.Connection) -> None:
        """As `TopicErasures.hold` says."""
        self._erasures.hold(connection)

    def is_erased(self, record: Message, user_id: str | None, source: str) -> bool:
        """Whether the user was erased after this record was written."""
        place = str(record.topic()), record.partition() or 0, record.offset() or 0
        return user_id is not None and self._erasures.is_erased(*place, user_id, source)

    def _find_ends(self, topic: str) -> TopicEnds | None:
        try:
            found = TopicEnds(*self._read_ends(topic))
        except KafkaUnreachableError as error:
            log.warning("records of erased users are left out until the brokers answer", cause=str(error))
            return None
        if found.topic_id != self._topic_ids[topic]:
            self.register_again()
        return found
