"""The archive's loop: read, decide about a file, write it, commit the offset behind it.

Before a file is written, its last offset is committed as a claim (claim.py). So each record is in exactly one file, whatever ends a
process between two steps, and whoever writes the file in the end.
"""

import time
from collections.abc import Callable

import structlog
from confluent_kafka import Message

from event_tracker.core.kafka.record_time import EPOCH, read_time
from event_tracker.core.storage.files import Storage, StorageError
from event_tracker.streams.archive import metrics
from event_tracker.streams.archive.buffers import Buffers
from event_tracker.streams.archive.claim import Claim
from event_tracker.streams.archive.formats import encode_file, make_suffix
from event_tracker.streams.archive.lines import make_line
from event_tracker.streams.consuming.liveness import Liveness
from event_tracker.streams.consuming.loop import StuckError
from event_tracker.streams.consuming.positions import Partition
from event_tracker.streams.consuming.source import RecordSource
from event_tracker.streams.consuming.subscription import find_partition

log = structlog.get_logger("archive")

MAX_READ = 1000
MAX_READ_BYTES = 8 * 1024 * 1024
"""Most records that are read at once, and most of their bytes."""

ROUND_SECONDS = 60.0
"""After so many it goes back to polling, though more files are due: the group must know that this member is alive."""


class Archive:
    """Moves records from the source to files.

    Args:
        format_, compression: of new files.
        is_stopping: whether to stop after the files that are being written.
    """

    def __init__(
        self,
        source: RecordSource,
        buffers: Buffers,
        target: Storage,
        liveness: Liveness,
        *,
        format_: str,
        compression: str,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._source, self._buffers, self._target, self._liveness = source, buffers, target, liveness
        self._format, self._compression = format_, compression
        self._is_stopping = is_stopping
        self._is_available = True

    def run(self) -> None:
        """Work until it is to stop. What waits for its file then is read again by the next process.

        Raises:
            StuckError: if it does nothing although it could.
            LostRecordsError, KafkaRefusedError, KafkaException: as `RecordSource.read` says.
        """
        while not self._is_stopping():
            self._liveness.tick()
            if self._source.positions.count_waiting() <= self._buffers.count():
                self._liveness.progress()  # what waits, waits for its file
            if fault := self._liveness.find_fault():
                raise StuckError(fault)
            if self._is_available:
                for record in self._source.read(MAX_READ, MAX_READ_BYTES):
                    self._buffers.add(find_partition(record), record)
            else:
                self._source.poll_while_paused()
            self._write_due()

    def _write_due(self) -> None:
        while (due := self._buffers.find_due()) and not self._is_stopping():
            self._claim(due)
            claimed = [partition for partition in due if self._buffers[partition].claim]
            if not claimed:  # Kafka takes no offsets at present
                return
            began = time.monotonic()
            written: list[Message] = []
            try:
                for partition in claimed:
                    if not written or time.monotonic() - began < ROUND_SECONDS:
                        written.append(self._write(partition))
            except StorageError as error:
                self._wait(error)
            else:
                self._go_on()
            self._source.commit(written)
            if not self._is_available or time.monotonic() - began > ROUND_SECONDS:
                return

    def _claim(self, due: list[Partition]) -> None:
        """Decide about the next file of each partition of which it isn't decided yet."""
        claims = {
            partition: Claim(self._buffers.choose_last(partition), self._format, self._compression)
            for partition in due
            if self._buffers[partition].claim is None
        }
        if not claims:
            return
        offsets = {partition: (self._buffers.first(partition), str(claim)) for partition, claim in claims.items()}
        for partition in self._source.claim(offsets):
            self._buffers[partition].claim = claims[partition]

    def _write(self, partition: Partition) -> Message:
        """Write the file that is decided. Returns its last record."""
        buffer = self._buffers[partition]
        records = self._buffers.look(partition)
        claim = buffer.claim
        assert claim is not None
        path = make_path(records[0], claim)
        if not (buffer.is_inherited and self._target.has(path)):
            with metrics.WRITE_SECONDS.time():
                content = encode_file([make_line(record) for record in records], claim.format, claim.compression)
                self._target.put(path, content)
            metrics.FILES.inc()
            metrics.BYTES.inc(len(content))
            metrics.RECORDS.inc(len(records))
        self._buffers.remove(partition, len(records))
        return records[-1]

    def _wait(self, error: StorageError) -> None:
        metrics.TARGET_ERRORS.labels(error.kind).inc()
        if self._is_available:
            log.warning("can't write files: trying again each second", cause=str(error))
        self._is_available = False
        self._source.pause()
        self._liveness.progress()

    def _go_on(self) -> None:
        self._liveness.progress()
        if not self._is_available:
            log.info("writes files again")
        self._is_available = True
        self._source.resume()


def make_path(first: Message, claim: Claim) -> str:
    """The path of a file: in the folder of the hour in which its first record was written; of 1970, if that isn't known."""
    time_ = read_time(first) or EPOCH
    topic, numbers = first.topic(), f"{first.partition()}-{first.offset():020}-{claim.last:020}"
    name = f"{topic}-{numbers}{make_suffix(claim.format, claim.compression)}"
    return f"{topic}/date={time_:%Y-%m-%d}/hour={time_:%H}/{name}"
