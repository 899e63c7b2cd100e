"""The collector's settings."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from event_tracker.collector.parsing.enrichment import KINDS, find_mistakes
from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.core.settings import ServiceSettings, setting, validate

KIB = 1024
MIB = 1024 * KIB

PROTOCOLS = {
    "segment": "clients of Segment and RudderStack, at `/v1/…`",
    "posthog": "PostHog's clients for servers, at `/batch/`, `/capture/` and `/i/v0/e/`",
    "amplitude": "Amplitude's clients, at `/2/httpapi`",
    "mixpanel": "Mixpanel's clients for servers, at `/import` and `/track`",
    "snowplow": "Snowplow's trackers, at `/com.snowplowanalytics.snowplow/tp2`",
    "cloudevents": "CloudEvents over HTTP, at `/cloudevents`",
    "opentelemetry": "logs of OpenTelemetry by OTLP/HTTP, at `/v1/logs`",
}
"""The values of PROTOCOLS."""

REJECTION_EXTRA_BYTES = 64 * KIB
"""The same of a refused event, whose errors are with it. Its payload is in Base64."""

RECORD_EXTRA_BYTES = 8 * KIB
"""Most bytes of a record beside the event as it was sent: key, headers, names of fields, what enrichment adds, and
what protocols add."""


@dataclass(frozen=True, kw_only=True)
class CollectorSettings(ServiceSettings, KafkaSettings):
    """The collector's settings, beside those of every service."""

    port: int = setting("Port to listen on.", kind="int", default=8000, check=validate.Range(1, 65535))
    protocols: Sequence[str] = setting(
        "Ways in beside `POST /events`, for programs that people have already ([clients](clients/README.md)), separated by commas. "
        + "; ".join(f"`{name}`: {says}" for name, says in PROTOCOLS.items())
        + ". Empty: none.",
        kind="list", default=tuple(PROTOCOLS), check=validate.ContainsOnly(PROTOCOLS),
    )  # fmt: skip
    max_events: int = setting("Most events in a request.", kind="int", default=1000, check=validate.Range(1, 100_000))
    max_body_bytes: int = setting(
        "Most bytes in a request's body, decompressed; and most that its numbers may add to it, written out.",
        kind="int",
        default=5 * MIB,
        check=validate.Range(1, 1024 * MIB),
    )
    max_event_bytes: int = setting(
        "Most bytes of JSON in one event, with its numbers written out (1e308 as 309 digits).",
        kind="int", default=64 * KIB, check=validate.Range(1, 16 * MIB),
    )  # fmt: skip
    earliest_timestamp: date = setting(  # noqa: RUF009  # dates are immutable
        "The earliest day of an event's time, in UTC; an earlier one is refused, so that a device whose clock has lost its time "
        "(1970) doesn't make its user one of long ago. `0001-01-01`: every time is taken.",
        kind="date", default=date(2000, 1, 1),
    )  # fmt: skip
    body_seconds: float = setting(
        "How long a request's body may take to arrive; longer is a 408.",
        kind="float",
        default=10.0,
        check=validate.Range(0.1, 600),
    )
    store_seconds: float = setting(
        "How long a request waits for its events to be committed, or acknowledged by Kafka; longer is a 503.",
        kind="float", default=10.0, check=validate.Range(0.1, 60),
    )  # fmt: skip
    statement_seconds: float = setting(
        "PostgreSQL's `statement_timeout` for storing one group; shorter than STORE_SECONDS, so that what timed out is rolled back.",
        kind="float", default=8.0, check=validate.Range(0.1, 60),
    )  # fmt: skip
    queue_events: int = setting(
        "Most events waiting to be stored; one source has half of it at most. A request that doesn't fit is a 503.",
        kind="int", default=40_000, check=validate.Range(1, 10_000_000),
    )  # fmt: skip
    rejections_kept: int = setting(
        "Refused events kept of each source, the newest; 0: none.",
        kind="int", default=10_000, check=validate.Range(0, 1_000_000),
    )  # fmt: skip
    rejection_days: int = setting(
        "How many days refused events are kept.", kind="int", default=30, check=validate.Range(1, 365)
    )
    rejection_bytes: int = setting(
        "Most bytes kept of a refused event; a longer one is cut off and can't be replayed.",
        kind="int", default=64 * KIB, check=validate.Range(1, MIB),
    )  # fmt: skip
    source_copy_folder: str = setting(
        "A folder in which a copy of sources, keys (their hashes) and schemas is kept, for a collector that starts while PostgreSQL is "
        "unavailable. Without KAFKA_BROKERS, it can store nothing then. Each process needs its own. Empty: no copy, and such a collector "
        "knows no key.",
        default="",
    )
    require_sync: bool = setting(
        "`/healthz` fails without synchronous standbys, as many as `synchronous_standby_names` asks for. The role must be a member of "
        "pg_read_all_stats to see them.",
        kind="bool", default=False,
    )  # fmt: skip
    group_events: int = setting(
        "Most events stored by one statement; a request is never divided.",
        kind="int",
        default=2000,
        check=validate.Range(1, 100_000),
    )
    enrich: Sequence[str] = setting(
        "What is added to the properties of events that come from pages (requests with an Origin, and messages of other products' "
        "clients that have a visitor's address or User-Agent), separated by commas. "
        + "; ".join(f"`{kind}`: {says}" for kind, says in KINDS.items())
        + ". What the event says itself stays. Empty: nothing is added.",
        kind="list", default=(), check=validate.ContainsOnly(KINDS),
    )  # fmt: skip
    country_database: str = setting(
        "An MMDB file (MaxMind DB) of addresses' countries, or towns, for ENRICH=country and city. It is opened at the start.",
        default="",
    )
    trusted_hops: int = setting(
        "How many proxies in front say in X-Forwarded-For who asked them, for ENRICH: the address of a page's user is so many from "
        "the right. 0: it is who connects.",
        kind="int", default=0, check=validate.Range(0, 10),
    )  # fmt: skip

    @property
    def topics(self) -> dict[str, int]:
        """The topics that it writes to, and how many bytes their records may have. An event may have more only if it violates its
        schema in many places with long names."""
        topics = {self.kafka_topic: self.max_event_bytes + RECORD_EXTRA_BYTES}
        if self.rejections_kept:
            topics[self.kafka_rejections_topic] = self.rejection_bytes * 4 // 3 + REJECTION_EXTRA_BYTES
        return topics

    def contradictions(self) -> dict[str, list[str]]:
        """Mistakes in settings that are valid alone but not together, by setting."""
        mistakes = {**super().contradictions(), **find_mistakes(self.enrich, self.country_database)}
        if self.source_copy_folder and not os.access(self.source_copy_folder, os.W_OK | os.X_OK):
            mistakes["SOURCE_COPY_FOLDER"] = [f"{self.source_copy_folder} isn't a folder that can be written."]
        return mistakes
