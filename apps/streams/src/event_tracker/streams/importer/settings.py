"""The importer's settings."""

from dataclasses import dataclass

from event_tracker.core.settings import setting, validate
from event_tracker.streams.consuming.settings import ConsumerSettings

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class ImporterSettings(ConsumerSettings):
    """The importer's settings. It knows no database: events go through a collector, which checks them."""

    input_topic: str = setting(
        "The topic that is read, which somebody else writes.", check=validate.Regexp(r"^[a-zA-Z0-9._-]{1,249}\Z")
    )
    mapping_file: str = setting("The TOML file that says how a record becomes an event.", check=validate.Length(min=1))
    collector_url: str = setting(
        "The collector's URL, such as `https://events.example.com`.",
        check=validate.Regexp(r"^https?://[^\s@/]+[^\s@]*\Z"),
    )
    write_key: str = setting(
        "The write key, of the source that the events get.", secret=True, check=validate.Length(1, 200)
    )
    kafka_group: str = setting(
        "The consumer group, whose members divide the topic's partitions among themselves.",
        default="event-tracker-importer", check=validate.Length(1, 200),
    )  # fmt: skip
    batch_events: int = setting(
        "Most events in a request; a collector takes 1,000 by default.",
        kind="int", default=1000, check=validate.Range(1, 100_000),
    )  # fmt: skip
    batch_bytes: int = setting(
        "Most bytes of records that become one request. A request that is too large for the collector is halved.",
        kind="int", default=4 * MIB, check=validate.Range(1, 256 * MIB),
    )  # fmt: skip
