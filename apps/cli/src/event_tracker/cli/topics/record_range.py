"""Records of a topic between two times, read without a group. Needs the extra `kafka`."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import click
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from event_tracker.core.kafka.configuration import consumer_configuration
from event_tracker.core.kafka.last_error import make_cause
from event_tracker.core.kafka.record_time import EPOCH, read_time
from event_tracker.core.kafka.settings import KafkaSettings

ANSWER_SECONDS = 15.0
POLL_SECONDS = 1.0

Result = TypeVar("Result")


class RecordRange:
    """In each partition, the records from the first one that was written at `start` or later to the first one at `end` or later.

    Args:
        end: None is the end that the partition has now.

    Attributes:
        starts, ends: of each partition, the offsets of its first record and of the one behind its last.

    Raises:
        ClickException: with Kafka's cause, if the brokers refuse or don't answer. All methods do that.
    """

    def __init__(self, settings: KafkaSettings, topic: str, start: datetime, end: datetime | None) -> None:
        self.topic = topic
        self._start = start
        options: dict[str, Any] = {"log_level": 0, "error_cb": lambda _: None, "enable.partition.eof": True}
        self._consumer = Consumer({**consumer_configuration(settings, "tracker", group="tracker-replay"), **options})
        found = self._ask(lambda: self._consumer.list_topics(topic, timeout=ANSWER_SECONDS)).topics[topic]
        if found.error:
            raise click.ClickException(f"{topic}: {make_cause(found.error)}.")
        self.ends = self._find(sorted(found.partitions), end)
        self.starts = {
            partition: min(offset, self.ends[partition])
            for partition, offset in self._find(sorted(found.partitions), start).items()
        }
        self._unread = {one: offset for one, offset in self.starts.items() if offset < self.ends[one]}
        self._read_until = dict.fromkeys(self._unread, start)

    def __len__(self) -> int:
        """How many records there are, at most: some may be deleted."""
        return sum(self.ends[partition] - start for partition, start in self.starts.items())

    def read(self, most: int) -> Iterator[list[Message]]:
        """The records, so many at a time. What was yielded counts as done when the next ones are asked for."""
        self._consumer.assign([TopicPartition(self.topic, *one) for one in self._unread.items()])
        while self._unread:
            messages = self._consumer.consume(most, POLL_SECONDS)
            yield [message for message in messages if self._is_wanted(message)]
            for message in messages:
                self._finish(message)

    def find_resumption(self) -> datetime:
        """From when on all records are that weren't read: the earliest time, over the partitions, of the last one that was."""
        return min((self._read_until[partition] for partition in self._unread), default=self._start)

    def find_time(self, partition: int, offset: int) -> datetime | None:
        """When the first record from this offset on was written; None if there is none."""
        if offset >= self._find_end(partition):
            return None
        self._consumer.assign([TopicPartition(self.topic, partition, offset)])
        record = self._consumer.poll(ANSWER_SECONDS)
        return (read_time(record) or EPOCH) if record and not record.error() else None

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()

    def _is_wanted(self, message: Message) -> bool:
        error = message.error()
        if error and not _is_end(message):
            raise click.ClickException(f"{self.topic}, partition {message.partition()}: {make_cause(error)}.")
        return not error and (message.offset() or 0) < self.ends[message.partition() or 0]

    def _finish(self, message: Message) -> None:
        """Note how far it is. The last offset may have no record: it may be a transaction's end, or be compacted."""
        partition, offset = message.partition() or 0, message.offset() or 0
        following = offset if _is_end(message) else offset + 1
        if following >= self.ends[partition]:
            self._unread.pop(partition, None)
        elif not _is_end(message):
            self._unread[partition], self._read_until[partition] = following, read_time(message) or EPOCH

    def _find(self, partitions: list[int], time: datetime | None) -> dict[int, int]:
        """Of each partition, the first record that was written at this time or later; its end, if there is none."""
        if time is not None:
            milliseconds = int(time.timestamp() * 1000)
            asked = [TopicPartition(self.topic, one, milliseconds) for one in partitions]
            found = self._ask(lambda: self._consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS))
            for one in found:
                if one.error:
                    raise click.ClickException(f"{self.topic}, partition {one.partition}: {make_cause(one.error)}.")
            offsets = {one.partition: one.offset for one in found}
        else:
            offsets = dict.fromkeys(partitions, -1)
        return {one: offset if offset >= 0 else self._find_end(one) for one, offset in offsets.items()}

    def _find_end(self, partition: int) -> int:
        asked = TopicPartition(self.topic, partition)
        return self._ask(partial(self._consumer.get_watermark_offsets, asked, timeout=ANSWER_SECONDS))[1]

    def _ask(self, question: Callable[[], Result]) -> Result:
        try:
            return question()
        except KafkaException as error:
            raise click.ClickException(f"Kafka: {make_cause(error.args[0])}.") from None


def _is_end(message: Message) -> bool:
    """Whether all that can be read by now was: its offset is that of the next record."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF
