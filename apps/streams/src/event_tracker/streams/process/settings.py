"""The settings that every process of streams has."""

from dataclasses import MISSING, dataclass

from event_tracker.core.kafka.settings import BrokerSettings
from event_tracker.core.settings import Settings, setting, validate


@dataclass(frozen=True, kw_only=True)
class StateSettings(Settings):
    """How a process says how it is."""

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
class ProcessSettings(StateSettings, BrokerSettings):
    """Which brokers a process speaks to, too. A base class before others: its settings are listed last then."""

    kafka_brokers: str = setting(
        "Brokers of Kafka to start from, `host:port`, separated by commas.",
        default=MISSING,
        check=validate.Length(min=1),
    )
