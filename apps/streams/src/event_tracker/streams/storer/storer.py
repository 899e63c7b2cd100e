"""The storer's loop: read, store, COMMIT, commit offsets.

While PostgreSQL is unavailable it reads nothing, keeps its partitions, polls once a second, and tries the same batch again, for ever.
Nothing is dropped for that reason.
"""

from collections.abc import Callable, Sequence

import psycopg
import structlog
from confluent_kafka import Message

from event_tracker.core.postgres.pool import UNAVAILABLE
from event_tracker.streams.storer.batch_store import BatchStore
from event_tracker.streams.storer.liveness import Liveness
from event_tracker.streams.storer.source import RecordSource, find_partition

log = structlog.get_logger("storer")


class StuckError(Exception):
    """The storer does nothing although it could: a new process may."""


class Storer:
    """Moves records from the source to the store.

    Args:
        most_records: of a batch.
        most_bytes: of a batch's values; a larger record is stored alone.
        is_stopping: whether to stop after the batch that is being stored.
    """

    def __init__(
        self,
        source: RecordSource,
        store: BatchStore,
        liveness: Liveness,
        *,
        most_records: int,
        most_bytes: int,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._source = source
        self._store = store
        self._liveness = liveness
        self._most_records = self._records = most_records
        self._most_bytes = most_bytes
        self._is_stopping = is_stopping
        self._is_available = True

    def run(self) -> None:
        """Work until it is to stop.

        Raises:
            StuckError: if it does nothing although it could.
            LostRecordsError, KafkaRefusedError, KafkaException: as `RecordSource.read` says.
            OtherFormatError: as `BatchStore.store` says.
            psycopg.Error: if the database refuses the statement, and not for its data.
        """
        while not self._is_stopping():
            self._liveness.tick()
            if fault := self._liveness.find_fault():
                raise StuckError(fault)
            self._store_all(self._source.read(self._most_records))

    def _store_all(self, records: list[Message]) -> None:
        while records and not self._is_stopping():
            batch = take_batch(records, self._records, self._most_bytes)
            try:
                self._store.store(batch)
            except UNAVAILABLE as error:
                self._wait(error)
                # Partitions may be another storer's now, which reads these records itself.
                records = [record for record in records if find_partition(record) in self._source.positions]
            else:
                self._source.commit(batch)
                del records[: len(batch)]
                self._go_on()

    def _wait(self, error: Exception) -> None:
        if isinstance(error, psycopg.errors.QueryCanceled):
            self._records = max(1, self._records // 2)
        if self._is_available:
            log.warning("can't store: trying again each second", error=type(error).__name__, records=self._records)
        self._is_available = False
        self._source.pause()
        self._source.rest()
        self._liveness.progress()

    def _go_on(self) -> None:
        self._liveness.progress()
        if not self._is_available:
            log.info("stores again")
        self._is_available = True
        self._records = min(self._most_records, self._records * 2)
        self._source.resume()


def take_batch(records: Sequence[Message], most_records: int, most_bytes: int) -> list[Message]:
    """The first records, as many as fit into a batch; at least one."""
    batch: list[Message] = []
    size = 0
    for record in records[:most_records]:
        size += len(record.value() or b"")
        if batch and size > most_bytes:
            break
        batch.append(record)
    return batch
