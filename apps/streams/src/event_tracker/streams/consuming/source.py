"""A member of a group: records in, offsets out, and what happens when the group divides its partitions again.

Offsets are committed from our own list, after what was read is safe, and never by librdkafka. A partition for which the group never
committed an offset is read from its first record: whatever was accepted is stored, and reading a record twice changes nothing. An
offset that is committed but whose record is gone is another matter: those records are lost, and `LostRecordsError` leaves it to a
person to go on; but for the topic of which a subscription says that they may be skipped.
"""

import time
from collections import deque
from collections.abc import Mapping, Sequence

import structlog
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from event_tracker.core.kafka.last_error import LastError, make_cause
from event_tracker.core.kafka.topic import DENIED, KafkaRefusedError
from event_tracker.streams.consuming.membership import Membership
from event_tracker.streams.consuming.positions import Partition, Positions
from event_tracker.streams.consuming.settings import ConsumerSettings
from event_tracker.streams.consuming.subscription import Subscription, find_partition, group_configuration, read_seconds

log = structlog.get_logger("streams.source")

POLL_SECONDS = 1.0
"""How long a read waits for a first record, and the pause between two tries while another service is unavailable."""

ANSWER_SECONDS = 10.0
"""How long a broker may take to answer a question."""

TAKEN_TOGETHER = 100
"""Records that are taken from librdkafka's queue before their bytes are looked at."""

OBSERVE_SECONDS = 5.0
"""How often the lag is looked at."""

LOST = (KafkaError._AUTO_OFFSET_RESET, KafkaError._NO_OFFSET, KafkaError.OFFSET_OUT_OF_RANGE)


class LostRecordsError(Exception):
    """The record at the committed offset is gone. The message says of which partition, and what to do."""


class RecordSource:
    """A member of the consumer group. Use it in one thread.

    Args:
        positions: gets how far it is in each partition that is assigned to it.
        membership: gets whether it is a member of the group at present.
        last_error: gets each error.
    """

    def __init__(
        self,
        settings: ConsumerSettings,
        subscription: Subscription,
        positions: Positions,
        membership: Membership,
        last_error: LastError,
    ) -> None:
        self.positions = positions
        self._metrics = positions.metrics
        self._subscription = subscription
        self._last_error = last_error
        self._group = settings.kafka_group
        self._unknown: list[TopicPartition] = []  # assigned, but the brokers haven't said which offset is committed
        self._kept: deque[Message] = deque()
        self._is_paused = False
        self._observed = float("-inf")
        self._consumer = Consumer(
            {
                **group_configuration(settings, subscription.client),
                "error_cb": self._note,
                "stats_cb": membership.read,
            }
        )
        self._consumer.subscribe(
            list(subscription.topics), on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose
        )

    def read(self, max_records: int, max_bytes: int) -> list[Message]:
        """Wait a second for a record, and take what else is there.

        Args:
            max_bytes: of the records' values, about: some more may be taken.

        Raises:
            LostRecordsError: if the record at the committed offset is gone.
            KafkaRefusedError: if this user may not read the topic, or not as this group.
            KafkaException: if the consumer can't go on.
        """
        self._ask_again()
        records = [self._kept.popleft() for _ in range(min(max_records, len(self._kept)))]
        if not records and (first := self._consumer.poll(POLL_SECONDS)):
            records = [first, *self._take(max_records - 1, max_bytes)]
        self._observe()
        return [record for record in records if self._is_record(record)]

    def _take(self, max_records: int, max_bytes: int) -> list[Message]:
        """Take what has arrived: no call waits for more of it."""
        records: list[Message] = []
        while len(records) < max_records and max_bytes > 0:
            more = self._consumer.consume(min(TAKEN_TOGETHER, max_records - len(records)), 0)
            if not more:
                break
            records += more
            max_bytes -= sum(len(record.value() or b"") for record in more)
        return records

    def poll_while_paused(self) -> None:
        """Let a second pass without reading, so that the group knows that this member is alive. Call it when it is paused."""
        self._ask_again()
        if (record := self._consumer.poll(POLL_SECONDS)) and self._is_record(record):
            self._kept.append(record)
        self._observe()

    def pause(self) -> None:
        """Read nothing from now on, and keep the partitions."""
        if not self._is_paused:
            self._is_paused = True
            self._metrics.paused.set(1)
            self._consumer.pause(self._consumer.assignment())

    def resume(self) -> None:
        """Read again."""
        if self._is_paused:
            self._is_paused = False
            self._metrics.paused.set(0)
            self._consumer.resume(self._consumer.assignment())

    def commit(self, records: Sequence[Message]) -> None:
        """Commit the offsets behind these records. If that fails, it is counted, and they are committed with the next ones."""
        for record in records:
            self.positions.advance(find_partition(record), record.offset() or 0, read_seconds(record))
        if records:
            self._metrics.last_progress.set_to_current_time()
        self._commit()

    def close(self) -> None:
        """Commit what couldn't be committed before, and leave the group."""
        self._commit()
        self._consumer.close()

    def _commit(self) -> None:
        offsets = self.positions.take_uncommitted()
        if not offsets:
            return
        self.positions.refuse(self._send({partition: (offset, "") for partition, offset in offsets.items()}))

    def claim(self, claims: Mapping[Partition, tuple[int, str]]) -> list[Partition]:
        """Commit offsets with a text each, which whoever is assigned the partition next is told.

        Returns:
            The partitions of which the brokers took it. They don't of who has lost the partition.
        """
        failed = self._send(claims)
        taken = [partition for partition in claims if partition not in failed]
        for partition in taken:
            self.positions.settle(
                partition, claims[partition][0]
            )  # or the offset would be committed again, without the text
        return taken

    def _send(self, offsets: Mapping[Partition, tuple[int, str]]) -> dict[Partition, KafkaError]:
        """Commit offsets with their texts. Returns those that failed."""
        given = [TopicPartition(*partition, offset, text) for partition, (offset, text) in offsets.items()]
        try:
            answers = self._consumer.commit(offsets=given, asynchronous=False)
        except KafkaException as error:
            failed = dict.fromkeys(offsets, error.args[0])
        else:
            failed = {Partition(one.topic, one.partition): one.error for one in answers or () if one.error}
        if failed:
            self._metrics.commit_failures.inc()
            log.warning("offsets aren't committed", errors=sorted({error.name() for error in failed.values()}))
        return failed

    def _is_record(self, message: Message) -> bool:
        """True if it is a record, of a partition that is still ours; False if it is an error that passes."""
        error = message.error()
        if error is None:
            partition = find_partition(message)
            self.positions.begin(partition, read_seconds(message))
            return partition in self.positions
        if error.code() in LOST:
            self._note(error)
            self._skip_lost_records(message, error)
            return False
        if error.code() in DENIED:
            detail = f"This user may not read as the group {self._group}: {make_cause(error)}."
            raise KafkaRefusedError(error.name(), detail)
        if error.fatal():
            raise KafkaException(error)
        self._note(error)
        return False

    def _note(self, error: KafkaError) -> None:
        self._metrics.errors.labels(error.name()).inc()
        self._last_error.note(error)

    def _skip_lost_records(self, message: Message, error: KafkaError) -> None:
        """Go on behind records that are gone, if they may be skipped. Of others, a person must decide."""
        if find_partition(message) not in self.positions:
            return
        if message.topic() != self._subscription.skippable_topic:
            raise LostRecordsError(self._subscription.say_what_is_lost(message, error, self._group))
        log.warning("records are gone", topic=message.topic(), partition=message.partition(), cause=error.str())
        self._subscription.on_restarted(find_partition(message))
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
        self._metrics.rebalances.labels("assigned").inc()
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
        for one in partitions:
            self._subscription.on_assigned(Partition(one.topic, one.partition), one.metadata or "")
        self._observed = float("-inf")

    def _revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._metrics.rebalances.labels("revoked").inc()
        self._forget(partitions)

    def _lose(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._metrics.rebalances.labels("lost").inc()
        self._forget(partitions)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        gone = [Partition(one.topic, one.partition) for one in partitions]
        self.positions.remove(gone)
        for partition in gone:
            self._subscription.on_revoked(partition)
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
            self._metrics.last_progress.set_to_current_time()
