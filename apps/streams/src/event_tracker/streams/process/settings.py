"""The settings that all processes of streams have, and those of the ones that use Kafka."""

from dataclasses import MISSING, dataclass

from event_tracker.core.kafka.settings import BrokerSettings
from event_tracker.core.settings import Settings, setting, validate


@dataclass(frozen=True, kw_only=True)
class MonitoringSettings(Settings):
    """Where a process answers metrics and checks, and what it logs."""

    host: str = setting("Address on which METRICS_PORT listens.", default="127.0.0.1")
    metrics_port: int = setting(
        "Port that answers `/metrics`, `/livez` and `/readyz`. 0: none.",
        kind="int", default=0, check=validate.Range(0, 65535),
    )  # fmt: skip
    log_level: str = setting(
        "From which level on it logs.", default="info", check=validate.OneOf(["debug", "info", "warning", "error"])
    )
    revision: str = setting("Source revision of the build, in the metric `app_build_info`.", default="unknown")


@dataclass(frozen=True, kw_only=True)
class KafkaProcessSettings(MonitoringSettings, BrokerSettings):
    """The settings of every process that uses Kafka. Put it before other base classes: its settings are listed last then."""

    kafka_brokers: str = setting(
        "Brokers of Kafka to start from, `host:port`, separated by commas.",
        default=MISSING,
        check=validate.Length(min=1),
    )
