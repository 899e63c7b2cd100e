"""The archive's settings."""

from dataclasses import dataclass
from importlib.util import find_spec

from event_tracker.core.settings import setting, validate
from event_tracker.core.storage.bucket import split_s3_url
from event_tracker.streams.archive.formats import COMPRESSIONS, FORMATS
from event_tracker.streams.consuming.settings import ConsumerSettings

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class ArchiveSettings(ConsumerSettings):
    """The archive's settings. It knows no database."""

    archive_topic: str = setting(
        "The topic whose records are written to files.",
        default="analytics.events", check=validate.Regexp(r"^[a-zA-Z0-9._-]{1,249}\Z"),
    )  # fmt: skip
    archive_target: str = setting(
        "Where the files are: a folder, or `s3://bucket/prefix` (with the package's extra `s3`; boto3 finds credentials and region).",
        check=validate.Length(min=1),
    )
    archive_format: str = setting(
        "`ndjson`, `csv`, or `parquet` (with the package's extra `parquet`).",
        default="ndjson", check=validate.OneOf(list(FORMATS)),
    )  # fmt: skip
    archive_compression: str = setting(
        "How files are compressed: `none`, `gzip` or `zstd`. A Parquet file is compressed inside.",
        default="gzip", check=validate.OneOf(list(COMPRESSIONS)),
    )  # fmt: skip
    archive_records: int = setting(
        "Most records in a file.", kind="int", default=100_000, check=validate.Range(1, 10_000_000)
    )
    archive_bytes: int = setting(
        "Most bytes of records in a file, before it is compressed; a larger record has a file of its own.",
        kind="int", default=16 * MIB, check=validate.Range(1, 1024 * MIB),
    )  # fmt: skip
    archive_seconds: float = setting(
        "How long a record waits, after it was read, until its file is written, however few records there are.",
        kind="float", default=300.0, check=validate.Range(0.1, 86_400),
    )  # fmt: skip
    buffer_bytes: int = setting(
        "Most bytes of records of all partitions that wait in memory. Above it, a file of the partition that has most is written.",
        kind="int", default=64 * MIB, check=validate.Range(1, 4096 * MIB),
    )  # fmt: skip
    kafka_group: str = setting(
        "The consumer group, whose members divide the topic's partitions among themselves.",
        default="event-tracker-archive", check=validate.Length(1, 200),
    )  # fmt: skip

    def contradictions(self) -> dict[str, list[str]]:
        """Mistakes in settings that are valid alone but not together, by setting."""
        mistakes = super().contradictions()
        if self.archive_format == "parquet" and find_spec("duckdb") is None:
            mistakes["ARCHIVE_FORMAT"] = ["Needs the package duckdb: install this with its extra `parquet`."]
        if self.archive_target.startswith("s3://"):
            if find_spec("boto3") is None:
                mistakes["ARCHIVE_TARGET"] = ["Needs the package boto3: install this with its extra `s3`."]
            elif not split_s3_url(self.archive_target)[0]:
                mistakes["ARCHIVE_TARGET"] = ["It names no bucket: s3://bucket/prefix."]
        elif "://" in self.archive_target:
            mistakes["ARCHIVE_TARGET"] = ["It is neither a folder nor s3://bucket/prefix."]
        return mistakes
