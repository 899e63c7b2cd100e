"""A consumer's loop: read, store, commit offsets.

While the store is unavailable it reads nothing, keeps its partitions, polls once a second, and tries the same batch again, for ever.
Nothing is dropped for that reason.
"""

from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import Message

from event_tracker.streams.consuming.liveness import Liveness
from event_tracker.streams.consuming.source import RecordSource
from event_tracker.streams.consuming.subscription import find_partition

log = structlog.get_logger("streams.loop")

Errors = tuple[type[Exception], ...]


class StuckError(Exception):
    """A consumer does nothing although it could: a new process may."""


class ConsumerLoop:
    """Moves records from the source to a store.

    Args:
        store: stores a batch; all of it is safe when it returns.
        retried_errors: the errors of `store` after which the same records are tried again each second.
        halving_errors: those of them after which half as many are tried.
        max_records: of a batch.
        max_bytes: of a batch's values; a larger record is stored alone.
        before_read: is called before each read, about once a second at least.
        is_stopping: whether to stop after the batch that is being stored.
    """

    def __init__(
        self,
        source: RecordSource,
        store: Callable[[Sequence[Message]], None],
        liveness: Liveness,
        *,
        retried_errors: Errors,
        halving_errors: Errors = (),
        max_records: int,
        max_bytes: int,
        before_read: Callable[[], object] = lambda: None,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._source = source
        self._store = store
        self._liveness = liveness
        self._max_records = self._records = max_records
        self._max_bytes = max_bytes
        self._retried_errors, self._halving_errors = retried_errors, halving_errors
        self._before_read = before_read
        self._is_stopping = is_stopping
        self._is_available = True

    def run(self) -> None:
        """Work until it is to stop.

        Raises:
            StuckError: if it does nothing although it could.
            LostRecordsError, KafkaRefusedError, KafkaException: as `RecordSource.read` says.
            Exception: any other error of `store`.
        """
        while not self._is_stopping():
            self._liveness.tick()
            if fault := self._liveness.find_fault():
                raise StuckError(fault)
            self._before_read()
            self._store_all(self._source.read(self._max_records, self._max_bytes))

    def _store_all(self, records: list[Message]) -> None:
        while records and not self._is_stopping():
            batch = take_batch(records, self._records, self._max_bytes)
            try:
                self._store(batch)
            except self._retried_errors as error:
                self._wait(error)
                # Partitions may be another member's now, which reads these records itself.
                records = [record for record in records if find_partition(record) in self._source.positions]
            else:
                self._source.commit(batch)
                del records[: len(batch)]
                self._go_on()

    def _wait(self, error: Exception) -> None:
        if isinstance(error, self._halving_errors):
            self._records = max(1, self._records // 2)
        if self._is_available:
            log.warning(
                "can't store: trying again each second",
                error=type(error).__name__,
                cause=str(error),
                records=self._records,
            )
        self._is_available = False
        self._source.pause()
        self._source.poll_while_paused()
        self._liveness.progress()

    def _go_on(self) -> None:
        self._liveness.progress()
        if not self._is_available:
            log.info("stores again")
        self._is_available = True
        self._records = min(self._max_records, self._records * 2)
        self._source.resume()


def take_batch(records: Sequence[Message], max_records: int, max_bytes: int) -> list[Message]:
    """The first records, as many as fit into a batch; at least one."""
    batch: list[Message] = []
    size = 0
    for record in records[:max_records]:
        size += len(record.value() or b"")
        if batch and size > max_bytes:
            break
        batch.append(record)
    return batch
