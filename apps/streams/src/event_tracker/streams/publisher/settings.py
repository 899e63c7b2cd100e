"""The publisher's settings."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass

from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.core.settings import setting, validate
from event_tracker.streams.process.relay_settings import RelaySettings
from event_tracker.streams.process.settings import KafkaProcessSettings

TOPIC = r"[a-zA-Z0-9._-]{1,249}"


@dataclass(frozen=True, kw_only=True)
class PublishingSettings(KafkaSettings):
    """What is published, and where to."""

    publish_topic: str = setting(
        "The topic of all stored events. It must be another one than KAFKA_TOPIC: what is there is stored, and would be published again.",
        default="analytics.stored",
        check=validate.Regexp(rf"^{TOPIC}\Z"),
    )
    publish_filtered: Sequence[str] = setting(
        "Topics of the events of one type, `topic:event_type`, separated by commas, such as "
        "`analytics.page_views:page_view,analytics.clicks:click`. A topic that is named again has events of several types.",
        kind="list", default=(),
    )  # fmt: skip
    publish_from: str = setting(
        "Where it begins when it is started for the first time: `now`, or `earliest`, with the first event that is stored. Later it goes "
        "on where it was.",
        default=MISSING, check=validate.OneOf(["now", "earliest"]),
    )  # fmt: skip
    publisher_name: str = setting(
        "The name under which PostgreSQL keeps how far it has come. Publishers of different names publish independently, such as to two "
        "clusters; of those with the same name, one works and the others wait.",
        default="publisher", check=validate.Regexp(r"^[a-z0-9-]{1,50}\Z"),
    )  # fmt: skip

    @property
    def filtered_topics(self) -> Mapping[str, list[str]]:
        """The topics of each event type that has some."""
        topics: defaultdict[str, list[str]] = defaultdict(list)
        for topic, _, event_type in (one.partition(":") for one in self.publish_filtered):
            topics[event_type].append(topic)
        return dict(topics)

    @property
    def topics(self) -> list[str]:
        """All topics, each once."""
        return list(dict.fromkeys([self.publish_topic, *(one.partition(":")[0] for one in self.publish_filtered)]))

    def contradictions(self) -> dict[str, list[str]]:
        """Mistakes in settings that are valid alone but not together, by setting."""
        mistakes = super().contradictions()
        taken = {
            self.kafka_topic: "KAFKA_TOPIC, through which events are stored: they would be published again for ever",
            self.kafka_rejections_topic: "KAFKA_REJECTIONS_TOPIC",
        }
        if self.publish_topic in taken:
            mistakes["PUBLISH_TOPIC"] = [f"{self.publish_topic} is {taken[self.publish_topic]}."]
        taken[self.publish_topic] = "PUBLISH_TOPIC"
        wrong = []
        for one in self.publish_filtered:
            topic = one.partition(":")[0]
            if not re.fullmatch(rf"{TOPIC}:.{{1,100}}", one):
                wrong.append(f"`{one}` must be `topic:event_type`.")
            elif topic in taken:
                wrong.append(f"{topic} is {taken[topic]}.")
        if len(set(self.publish_filtered)) < len(self.publish_filtered):
            wrong.append("The same is named twice.")
        if wrong:
            mistakes["PUBLISH_FILTERED"] = wrong
        return mistakes


@dataclass(frozen=True, kw_only=True)
class PublisherSettings(KafkaProcessSettings, RelaySettings, PublishingSettings):
    """The publisher's settings. It uses the role `relay` of the database."""
