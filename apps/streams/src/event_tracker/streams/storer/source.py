"""The storer's consumer: records in, offsets out, and what happens when the group divides its partitions again.

Offsets are committed from our own list, after COMMIT, and never by librdkafka. A partition for which the group never committed an
offset is read from its first record: whatever was accepted is stored, and reading a record twice changes nothing. An offset that
is committed but whose record is gone is another matter: those events are lost, and `LostRecordsError` leaves it to a person to go on.
Refused events are kept as well as can be; a loss of them doesn't stop the storing of events.
"""

import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import structlog
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from event_tracker.core.kafka.configuration import consumer_configuration
from event_tracker.core.kafka.last_error import LastError, make_cause
from event_tracker.core.kafka.topic import KafkaRefusedError
from event_tracker.streams.storer import metrics
from event_tracker.streams.storer.membership import Membership
from event_tracker.streams.storer.positions import Partition, Positions
from event_tracker.streams.storer.settings import StorerSettings

log = structlog.get_logger("storer.source")

POLL_SECONDS = 1.0
"""How long a read waits for a first record, and the pause between two tries while PostgreSQL is unavailable."""

ANSWER_SECONDS = 10.0
"""How long a broker may take to answer a question."""

OBSERVE_SECONDS = 5.0
"""How often the lag is looked at."""

LOST = (KafkaError._AUTO_OFFSET_RESET, KafkaError._NO_OFFSET, KafkaError.OFFSET_OUT_OF_RANGE)
DENIED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)


class LostRecordsError(Exception):
    """The record at the committed offset is gone. The message says of which partition, and what to do."""


def find_partition(record: Message) -> Partition:
    """The partition that a record is from."""
    return Partition(str(record.topic()), record.partition() or 0)


class RecordSource:
    """A member of the consumer group. Use it in one thread.

    Args:
        topics: what it reads.
        positions: gets how far it is in each partition that is assigned to it.
        membership: gets whether it is a member of the group at present.
        last_error: gets each error.
    """

    def __init__(
        self,
        settings: StorerSettings,
        topics: Sequence[str],
        positions: Positions,
        membership: Membership,
        last_error: LastError,
    ) -> None:
        self.positions = positions
        self._last_error = last_error
        self._group = settings.kafka_group
        self._rejections_topic = settings.kafka_rejections_topic
        self._unknown: list[TopicPartition] = []  # assigned, but the brokers haven't said which offset is committed
        self._kept: deque[Message] = deque()
        self._is_paused = False
        self._observed = float("-inf")
        self._consumer = Consumer(
            {
                **consumer_configuration(settings, "storer", group=settings.kafka_group),
                **_group_options(settings),
                "error_cb": self._note,
                "stats_cb": membership.read,
            }
        )
        self._consumer.subscribe(list(topics), on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose)

    def read(self, most: int) -> list[Message]:
        """Wait a second for a record, and take what else is there: `most` at most.

        Raises:
            LostRecordsError: if the event at the committed offset is gone.
            KafkaRefusedError: if this user may not read the topic, or not as this group.
            KafkaException: if the consumer can't go on.
        """
        self._ask_again()
        records = [self._kept.popleft() for _ in range(min(most, len(self._kept)))]
        if not records:
            first = self._consumer.poll(POLL_SECONDS)
            # What has arrived meanwhile: no call waits for more of it.
            records = [first, *self._consumer.consume(most - 1, 0)] if first else []
        self._observe()
        return [record for record in records if self._is_record(record)]

    def rest(self) -> None:
        """Let a second pass without reading, so that the group knows that this member is alive. Call it when it is paused."""
        self._ask_again()
        if (record := self._consumer.poll(POLL_SECONDS)) and self._is_record(record):
            self._kept.append(record)
        self._observe()

    def pause(self) -> None:
        """Read nothing from now on, and keep the partitions."""
        if not self._is_paused:
            self._is_paused = True
            metrics.PAUSED.set(1)
            self._consumer.pause(self._consumer.assignment())

    def resume(self) -> None:
        """Read again."""
        if self._is_paused:
            self._is_paused = False
            metrics.PAUSED.set(0)
            self._consumer.resume(self._consumer.assignment())

    def commit(self, records: Sequence[Message]) -> None:
        """Commit the offsets behind these records. If that fails, it is counted, and they are committed with the next ones."""
        for record in records:
            self.positions.advance(find_partition(record), record.offset() or 0, _read_seconds(record))
        if records:
            metrics.LAST_PROGRESS.set_to_current_time()
        self._commit()

    def close(self) -> None:
        """Commit what couldn't be committed before, and leave the group."""
        self._commit()
        self._consumer.close()

    def _commit(self) -> None:
        offsets = self.positions.take_uncommitted()
        if not offsets:
            return
        given = [TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        try:
            answers = self._consumer.commit(offsets=given, asynchronous=False)
        except KafkaException as error:
            failed = dict.fromkeys(offsets, error.args[0])
        else:
            failed = {Partition(one.topic, one.partition): one.error for one in answers or () if one.error}
        if failed:
            metrics.COMMIT_FAILURES.inc()
            log.warning("offsets aren't committed", errors=sorted({error.name() for error in failed.values()}))
            self.positions.refuse(failed)

    def _is_record(self, message: Message) -> bool:
        """True if it is a record, of a partition that is still ours; False if it is an error that passes."""
        error = message.error()
        if error is None:
            partition = find_partition(message)
            self.positions.begin(partition, _read_seconds(message))
            return partition in self.positions
        if error.code() in LOST:
            self._note(error)
            self._lack(message, error)
            return False
        if error.code() in DENIED:
            detail = f"This user may not read as the group {self._group}: {make_cause(error)}."
            raise KafkaRefusedError(error.name(), detail)
        if error.fatal():
            raise KafkaException(error)
        self._note(error)
        return False

    def _note(self, error: KafkaError) -> None:
        metrics.ERRORS.labels(error.name()).inc()
        self._last_error.note(error)

    def _lack(self, message: Message, error: KafkaError) -> None:
        """Go on behind refused events that are gone. Of events, a person must decide."""
        if find_partition(message) not in self.positions:
            return
        if message.topic() != self._rejections_topic:
            raise LostRecordsError(_say_what_is_lost(message, error, self._group))
        log.warning("refused events are gone", topic=message.topic(), partition=message.partition(), cause=error.str())
        restarted = [TopicPartition(str(message.topic()), message.partition() or 0, OFFSET_BEGINNING)]
        self._restart(restarted)
        self._add_positions(restarted)  # without the offset: in a topic that was made again, it may be far ahead

    def _restart(self, partitions: list[TopicPartition]) -> None:
        """Read partitions that are assigned from these offsets. Not by `seek`, which a partition that has stopped refuses."""
        self._consumer.incremental_unassign(partitions)
        self._start(partitions)

    def _start(self, partitions: list[TopicPartition]) -> None:
        self._consumer.incremental_assign(partitions)
        if self._is_paused:  # a new partition isn't
            self._consumer.pause(partitions)

    def _assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        metrics.REBALANCES.labels("assigned").inc()
        known, unknown = self._find_offsets(partitions, ANSWER_SECONDS)
        # They aren't left to librdkafka: where no offset is committed, it says the same as where the record is gone. What it reads of
        # them meanwhile is dropped, since they have no position.
        self._start([*known, *(TopicPartition(one.topic, one.partition, OFFSET_END) for one in unknown)])
        self._unknown += unknown
        self._add_positions(known)

    def _ask_again(self) -> None:
        """Ask for the committed offsets that weren't known when their partitions were assigned."""
        if self._unknown:
            known, self._unknown = self._find_offsets(self._unknown, POLL_SECONDS)
            if known:
                self._restart(known)
                self._add_positions(known)

    def _find_offsets(
        self, partitions: list[TopicPartition], seconds: float
    ) -> tuple[list[TopicPartition], list[TopicPartition]]:
        """The partitions with the offsets to read from, and those of which no broker says what is committed."""
        asked = [TopicPartition(one.topic, one.partition) for one in partitions]
        try:
            found = self._consumer.committed(asked, timeout=seconds)
        except KafkaException as error:
            log.warning("the committed offsets can't be read yet", cause=str(make_cause(error.args[0])))
            return [], asked
        known = [one for one in found if not one.error]
        for one in known:
            if one.offset < 0:
                one.offset = OFFSET_BEGINNING
                log.info("reads from the first record", topic=one.topic, partition=one.partition)
        return known, [TopicPartition(one.topic, one.partition) for one in found if one.error]

    def _add_positions(self, partitions: list[TopicPartition]) -> None:
        self.positions.assign(
            {Partition(one.topic, one.partition): one.offset if one.offset >= 0 else None for one in partitions}
        )
        self._observed = float("-inf")

    def _revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        metrics.REBALANCES.labels("revoked").inc()
        self._forget(partitions)

    def _lose(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        metrics.REBALANCES.labels("lost").inc()
        self._forget(partitions)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        gone = [Partition(one.topic, one.partition) for one in partitions]
        self.positions.remove(gone)
        self._unknown = [one for one in self._unknown if Partition(one.topic, one.partition) not in gone]
        self._kept = deque(record for record in self._kept if find_partition(record) in self.positions)

    def _observe(self) -> None:
        """Look at the lag now and then: at what the last fetch said, or, while nothing is fetched, by asking."""
        now = time.monotonic()
        if now - self._observed < OBSERVE_SECONDS:
            return
        self._observed = now
        for partition in self.positions.all:
            asked = TopicPartition(*partition)
            try:
                first, end = self._consumer.get_watermark_offsets(
                    asked, timeout=POLL_SECONDS, cached=not self._is_paused
                )
            except KafkaException:  # no broker answers, which others report
                return
            if end >= 0:
                self.positions.observe(partition, first, end)
        if self.positions.all and not self.positions.count_waiting():
            metrics.LAST_PROGRESS.set_to_current_time()


def _group_options(settings: StorerSettings) -> dict[str, Any]:
    """How the group divides its partitions. Membership is dynamic: a static member could be fenced off by its own restart."""
    if settings.kafka_protocol == "consumer":
        return {"group.protocol": "consumer"}
    session = int(settings.kafka_session_seconds * 1000)
    return {
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session,
        "heartbeat.interval.ms": session // 3,
    }


def _read_seconds(record: Message) -> float:
    """When a record was written, in seconds since 1970."""
    return record.timestamp()[1] / 1000


def _say_what_is_lost(message: Message, error: KafkaError, group: str) -> str:
    return (
        f"The records of topic {message.topic()}, partition {message.partition()} from the offset that the group {group} committed are "
        f"gone: {error.str()}. They were deleted before they were stored. `tracker topics init --from earliest` goes on with the first "
        "record that is left; all other partitions stay where they are."
    )
