"""The settings of whatever speaks to Kafka."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from event_tracker.core.settings import Settings, setting, validate

STORERS_GROUP = "event-tracker"
"""The consumer group of storers, unless KAFKA_GROUP names another."""


@dataclass(frozen=True, kw_only=True)
class BrokerSettings(Settings):
    """How the brokers are reached. Without `kafka_brokers`, nothing of Kafka is imported or started."""

    kafka_brokers: str = setting(
        "Brokers of Kafka to start from, `host:port`, separated by commas. Empty: no Kafka.", default=""
    )
    kafka_security: str = setting(
        "`plain`: neither encrypted nor signed in, for a private network. `tls`: encrypted, the brokers' certificate is checked. "
        "`scram`: as `tls`, and signed in by SCRAM-SHA-512 as KAFKA_USER.",
        default="plain", check=validate.OneOf(["plain", "tls", "scram"]),
    )  # fmt: skip
    kafka_user: str = setting("With KAFKA_SECURITY=scram: the user's name.", default="")
    kafka_password: str = setting("With KAFKA_SECURITY=scram: the user's password.", default="", secret=True)
    kafka_ca: str = setting(
        "A PEM file of the authorities that sign the brokers' certificates. Empty: those that the system trusts.",
        default="",
    )

    def contradictions(self) -> dict[str, list[str]]:
        """Mistakes in settings that are valid alone but not together, by setting."""
        mistakes = super().contradictions()
        if not self.kafka_brokers:
            return mistakes
        if find_spec("confluent_kafka") is None:
            mistakes["KAFKA_BROKERS"] = ["Needs the package confluent-kafka: install this with its extra `kafka`."]
        has_login = {"KAFKA_USER": bool(self.kafka_user), "KAFKA_PASSWORD": bool(self.kafka_password)}
        for name, is_given in has_login.items():
            if is_given != (self.kafka_security == "scram"):
                why = (
                    "It would be ignored: only KAFKA_SECURITY=scram signs in."
                    if is_given
                    else "KAFKA_SECURITY=scram needs it."
                )
                mistakes[name] = [why]
        if self.kafka_ca:
            if self.kafka_security == "plain":
                mistakes["KAFKA_CA"] = ["It would be ignored: KAFKA_SECURITY=plain doesn't encrypt."]
            elif not Path(self.kafka_ca).is_file():
                mistakes["KAFKA_CA"] = [f"There is no file {self.kafka_ca}."]
        return mistakes


@dataclass(frozen=True, kw_only=True)
class KafkaSettings(BrokerSettings):
    """The topics between collectors and storers, too."""

    kafka_topic: str = setting(
        "The topic through which events go from collectors to storers.",
        default="analytics.events",
        check=validate.Regexp(r"^[a-zA-Z0-9._-]{1,249}\Z"),
    )
    kafka_rejections_topic: str = setting(
        "The topic through which refused events go from collectors to storers.",
        default="analytics.rejections",
        check=validate.Regexp(r"^[a-zA-Z0-9._-]{1,249}\Z"),
    )
    kafka_single: bool = setting(
        "Takes a topic of which one broker's disk has all there is: fewer than 2 replicas, or `min.insync.replicas` below 2. "
        "Otherwise that is refused at the start, since the loss of one broker would lose acknowledged events.",
        kind="bool", default=False,
    )  # fmt: skip

    def contradictions(self) -> dict[str, list[str]]:
        """Mistakes in settings that are valid alone but not together, by setting."""
        mistakes = super().contradictions()
        if self.kafka_brokers and self.kafka_topic == self.kafka_rejections_topic:
            mistakes["KAFKA_REJECTIONS_TOPIC"] = ["It must be another topic than KAFKA_TOPIC."]
        return mistakes
