"""The storer's settings."""

from dataclasses import MISSING, dataclass

from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.core.settings import DATABASE_URL_DOC, database_url_setting, setting, validate

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, kw_only=True)
class StorerSettings(KafkaSettings):
    """The storer's settings. It uses the role `collector` of the database, as collectors do."""

    kafka_brokers: str = setting(
        "Brokers of Kafka to start from, `host:port`, separated by commas.",
        default=MISSING,
        check=validate.Length(min=1),
    )
    kafka_group: str = setting(
        "The consumer group. All storers of a database have the same one, and divide the topic's partitions among themselves.",
        default="event-tracker", check=validate.Length(1, 200),
    )  # fmt: skip
    kafka_protocol: str = setting(
        "How the group divides partitions. `classic`: cooperative-sticky, with every broker. `consumer`: the brokers divide (KIP-848; "
        "Kafka 4.0 and later). A group changes it by a restart of all its storers.",
        default="classic", check=validate.OneOf(["classic", "consumer"]),
    )  # fmt: skip
    kafka_session_seconds: float = setting(
        "After so many seconds without a sign of life, the brokers give the partitions of a storer that was killed to others. Only with "
        "KAFKA_PROTOCOL=classic; otherwise the brokers' setting counts.",
        kind="float", default=10.0, check=validate.Range(1, 1800),
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
    host: str = setting("Address on which METRICS_PORT listens.", default="127.0.0.1")
    metrics_port: int = setting(
        "Port that answers `/metrics`, `/livez` and `/readyz`. 0: none.",
        kind="int", default=0, check=validate.Range(0, 65535),
    )  # fmt: skip
    log_level: str = setting(
        "From which level on it logs.", default="info", check=validate.OneOf(["debug", "info", "warning", "error"])
    )
    revision: str = setting("Source revision of the build, in the metric `app_build_info`.", default="unknown")
