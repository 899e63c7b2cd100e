"""The storer's settings."""

from dataclasses import dataclass

from event_tracker.core.kafka.settings import STORERS_GROUP, KafkaSettings
from event_tracker.core.settings import DATABASE_URL_DOC, database_url_setting, setting, validate
from event_tracker.streams.consuming.settings import ConsumerSettings

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, kw_only=True)
class StorerSettings(ConsumerSettings, KafkaSettings):
    """The storer's settings. It uses the role `collector` of the database, as collectors do."""

    kafka_group: str = setting(
        "The consumer group. All storers of a database have the same one, and divide the topic's partitions among themselves.",
        default=STORERS_GROUP, check=validate.Length(1, 200),
    )  # fmt: skip
    database_url: str = database_url_setting(DATABASE_URL_DOC)
    statement_seconds: float = setting(
        "PostgreSQL's `statement_timeout` for storing one batch. A batch that takes longer is tried again with half of its records.",
        kind="float", default=30.0, check=validate.Range(0.1, 240),
    )  # fmt: skip
    group_events: int = setting(
        "Most records stored by one statement.", kind="int", default=2000, check=validate.Range(1, 100_000)
    )
    group_bytes: int = setting(
        "Most bytes of records stored by one statement; a larger record is stored alone.",
        kind="int", default=8 * MIB, check=validate.Range(1, 256 * MIB),
    )  # fmt: skip
    rejections_kept: int = setting(
        "Refused events kept of each source, the newest, records that can't be read or stored included.",
        kind="int", default=10_000, check=validate.Range(1, 1_000_000),
    )  # fmt: skip
    rejection_bytes: int = setting(
        "Most bytes kept of a record that can't be read or stored; a longer one is cut off and can't be replayed.",
        kind="int", default=64 * KIB, check=validate.Range(1, MIB),
    )  # fmt: skip
