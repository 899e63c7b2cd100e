"""Stores records of a topic again: what isn't stored yet, and nothing of users who were erased since. Needs the extra `kafka`."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import click
import psycopg
from confluent_kafka import Message

from event_tracker.cli.progress import Meter
from event_tracker.cli.topics.record_range import RecordRange
from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.core.kafka.topic import KafkaUnreachableError
from event_tracker.core.kafka.topic_ends import TopicEndReader
from event_tracker.model.storing.record import (
    MAX_AHEAD,
    OtherVersionError,
    UnreadableRecordError,
    read_headers,
    read_record,
)
from event_tracker.model.storing.row import NotStorableError, Row
from event_tracker.model.storing.store_events import EventStore
from event_tracker.model.storing.topic_erasures import ErasuresChangedError, TopicEnds, TopicErasures, read_known_from

BATCH_RECORDS = 2000

OUTCOMES = ("stored", "duplicate", "expired", "erased", "unreadable", "refused")


class Replay:
    """Stores records of a topic on one connection.

    Attributes:
        outcomes: how many records had which outcome: stored now, duplicate (stored before), expired (retention has deleted its time),
            erased (its user was, since it was written), unreadable (not an event of ours), refused (by the database).
    """

    def __init__(self, connection: psycopg.Connection, settings: KafkaSettings, records: RecordRange) -> None:
        self.outcomes: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self._connection = connection
        self._records = records
        self._ends = TopicEndReader(settings, "tracker")
        self._erasures = TopicErasures(self._find_ends)
        self._store = EventStore(lambda _: None)

    def run(self) -> None:
        """Store all.

        Raises:
            ClickException: if it isn't known who was erased since, if the brokers don't answer, or a record has another version.
            psycopg.Error: if the database is unavailable, or refuses.
        """
        self._require_known_erasures()
        with Meter("records", len(self._records)) as meter:
            for batch in self._records.read(BATCH_RECORDS):
                self._erasures.update(self._connection)
                self._store_batch(batch)
                meter.show(self.outcomes.total(), self.outcomes.total())

    def _require_known_erasures(self) -> None:
        topic = self._records.topic
        try:
            topic_id = self._ends.read_id(topic)
        except KafkaUnreachableError as error:
            raise click.ClickException(str(error)) from None
        known_from = read_known_from(self._connection, topic, topic_id)
        if known_from is None:
            raise click.ClickException(
                f"No storer has read the topic {topic} into this database. So it isn't known who was erased since its records were "
                "written, and they would come back. Start a storer first."
            )
        self._erasures.follow(self._connection, topic, topic_id)
        early = [
            one for one, offset in self._records.starts.items() if offset < dict(enumerate(known_from)).get(one, 0)
        ]
        if not early:
            return
        times = [time for one in early if (time := self._records.find_time(one, known_from[one]))]
        raise click.ClickException(
            "This database doesn't know who was erased before a storer first read the topic into it, and they would come back. Replay "
            + (f"--from {max(times).isoformat()}." if times else "only what is written from now on.")
        )

    def _store_batch(self, batch: Sequence[Message]) -> None:
        read = [(record, row) for record in batch if (row := self._read(record))]
        while True:
            rows = [row for record, row in read if not self._is_erased(record, row)]
            try:
                with self._connection.transaction():
                    self._erasures.hold(self._connection)
                    stored = self._store.store_on(self._connection, rows) if rows else []
                break
            except ErasuresChangedError:
                continue
        self.outcomes.update(erased=len(read) - len(rows))
        self.outcomes.update("refused" if isinstance(one, NotStorableError) else one for one in stored)

    def _read(self, record: Message) -> Row | None:
        try:
            row = read_record(record.value(), read_headers(record))
        except OtherVersionError as error:
            where = f"partition {record.partition()}, offset {record.offset()}"
            raise click.ClickException(f"{where}: {error} Use a `tracker` of the collectors' release.") from None
        except UnreadableRecordError:
            row = None
        if row is None or row.timestamp > datetime.now(UTC) + MAX_AHEAD:
            self.outcomes["unreadable"] += 1
            return None
        return row

    def _is_erased(self, record: Message, row: Row) -> bool:
        place = self._records.topic, record.partition() or 0, record.offset() or 0
        return self._erasures.is_erased(*place, row.user_id, row.source)

    def _find_ends(self, topic: str) -> TopicEnds | None:
        try:
            return TopicEnds(*self._ends.read(topic))
        except KafkaUnreachableError:  # then all of erased users is left out
            return None


def replay_records(
    connection: psycopg.Connection, settings: KafkaSettings, topic: str, start: datetime, end: datetime | None
) -> Counter[str]:
    """Store the records of a topic that were written from `start` on, and before `end`. If it is stopped, it says where to go on.

    Returns:
        As `Replay.outcomes`.

    Raises:
        ClickException, psycopg.Error: as `Replay.run` says.
    """
    records = RecordRange(settings, topic, start, end)
    replay = Replay(connection, settings, records)
    try:
        replay.run()
    except (KeyboardInterrupt, click.ClickException, psycopg.Error):
        if replay.outcomes.total():
            click.echo(describe_outcomes(replay.outcomes), err=True)
            resumption = records.find_resumption().isoformat(timespec="milliseconds")
            click.echo(f"Stopped. What is stored stays. Go on with --from {resumption}", err=True)
        raise
    finally:
        records.close()
    return replay.outcomes


def describe_outcomes(outcomes: Counter[str]) -> str:
    """A line about the outcomes."""
    return f"{outcomes.total():,} records: " + ", ".join(f"{outcomes[one]:,} {one}" for one in OUTCOMES)
