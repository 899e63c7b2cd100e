"""Checks of the manifests of component kafka, by what the programs' settings say and by what Strimzi makes of its objects."""

from collections.abc import Iterator
from typing import Any

from manifests import Object, config_maps, containers, label, matches, of_kind, pods, secret_files

from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.streams.archive.settings import ArchiveSettings
from event_tracker.streams.importer.settings import ImporterSettings
from event_tracker.streams.publisher.settings import PublisherSettings
from event_tracker.streams.storer.settings import StorerSettings

TOPICS = (KafkaSettings.kafka_topic, KafkaSettings.kafka_rejections_topic)
PUBLISHED = (PublisherSettings.publish_topic, "analytics.page_views", "analytics.clicks")
GROUP = StorerSettings.kafka_group
EXAMPLE_INPUT = "orders"
"""The topic of component kafka-import."""

RIGHTS: dict[str, dict[tuple[str, str], set[str]]] = {
    "kafka-collector": {("topic", topic): {"Write", "Describe", "DescribeConfigs"} for topic in TOPICS},
    "kafka-storer": {
        **{("topic", topic): {"Read", "Describe", "DescribeConfigs"} for topic in TOPICS},
        ("group", GROUP): {"Read"},
    },
    "kafka-archive": {
        ("topic", ArchiveSettings.archive_topic): {"Read", "Describe"},
        ("group", ArchiveSettings.kafka_group): {"Read"},
    },
    "kafka-importer": {
        ("topic", EXAMPLE_INPUT): {"Read", "Describe"},
        ("group", ImporterSettings.kafka_group): {"Read"},
    },
    "kafka-publisher": {("topic", topic): {"Write", "Describe", "DescribeConfigs"} for topic in PUBLISHED},
    "kafka-keda": {("topic", TOPICS[0]): {"Describe"}, ("group", GROUP): {"Describe"}},
}
"""User → what it may do, by type and name; docs/kafka.md has the same."""

DISK_SHARE = 0.85
"""The most of a broker's volume that its topics may take."""

GIB = 2**30


def _settings(objects: list[Object], template: Object) -> dict[str, str]:
    """The environment of a pod's first container."""
    maps = {one["metadata"]["name"]: one.get("data") or {} for one in of_kind(objects, "ConfigMap")}
    found = {key: value for name in config_maps(template) for key, value in maps.get(name, {}).items()}
    return found | {one["name"]: one.get("value", "") for one in containers(template)[0].get("env") or []}


def _listeners(objects: list[Object]) -> dict[str, tuple[Object, Object]]:
    """Address → the Kafka and its listener."""
    return {
        f"{one['metadata']['name']}-kafka-bootstrap:{listener['port']}": (one, listener)
        for one in of_kind(objects, "Kafka")
        for listener in one["spec"]["kafka"]["listeners"]
    }


def _lets_in(listener: Object, namespace: str | None, labels: dict[str, str]) -> bool:
    """Whether a listener's peers allow pods with these labels, of a namespace or of the listener's own."""
    name = {"kubernetes.io/metadata.name": namespace or ""}
    return any(
        matches(peer["podSelector"], labels)
        and ("namespaceSelector" in peer) == bool(namespace)
        and matches(peer.get("namespaceSelector"), name)
        for peer in listener["networkPolicyPeers"]
    )


def kafka_clients(objects: list[Object]) -> Iterator[str]:
    """A pod that uses Kafka finds it, may connect, and signs in as a user that is there, with that user's own password."""
    users = {one["metadata"]["name"] for one in of_kind(objects, "KafkaUser")}
    for one, template in pods(objects):
        settings = _settings(objects, template)
        if "KAFKA_BROKERS" not in settings:
            continue
        cluster, listener = _listeners(objects).get(settings["KAFKA_BROKERS"], (None, None))
        if cluster is None or listener is None:
            yield f"{label(one)}: there is no listener {settings['KAFKA_BROKERS']}"
            continue
        labels = template["metadata"]["labels"]
        if labels.get("event-tracker/kafka-client") != "true" or not _lets_in(listener, None, labels):
            yield f"{label(one)}: may not reach Kafka"
        user = settings.get("KAFKA_USER")
        if user not in users:
            yield f"{label(one)}: KafkaUser/{user} isn't rendered"
        mounted = list(secret_files(template))
        for secret in ((user, {"password"}), (f"{cluster['metadata']['name']}-cluster-ca-cert", {"ca.crt"})):
            if secret not in mounted:
                yield f"{label(one)}: doesn't mount {secret[0]}"


def kafka_users(objects: list[Object]) -> Iterator[str]:
    """Each user may do what its program does, and nothing else."""
    for one in of_kind(objects, "KafkaUser"):
        given = {
            (rule["resource"]["type"], rule["resource"]["name"]): set(rule["operations"])
            for rule in one["spec"]["authorization"]["acls"]
            if rule["resource"].get("patternType") == "literal" and "host" not in rule
        }
        if given != RIGHTS.get(one["metadata"]["name"]):
            yield f"{label(one)}: its rights aren't those of its program"


def kafka_parts(objects: list[Object]) -> Iterator[str]:
    """Pools, topics and users are of a cluster that is rendered."""
    names = {one["metadata"]["name"] for one in of_kind(objects, "Kafka")}
    for one in of_kind(objects, "KafkaNodePool", "KafkaTopic", "KafkaUser"):
        cluster = one["metadata"]["labels"].get("strimzi.io/cluster")
        if cluster not in names:
            yield f"{label(one)}: Kafka/{cluster} isn't rendered"


def kafka_topics(objects: list[Object]) -> Iterator[str]:
    """The topics are those of the settings, outlive the loss of a broker, and fit on the disks."""
    topics = {one["spec"]["topicName"]: one["spec"] for one in of_kind(objects, "KafkaTopic")}
    for one in of_kind(objects, "Kafka"):
        for topic in TOPICS:
            if topic not in topics:
                yield f"{label(one)}: there is no topic {topic}"
    for name, spec in topics.items():
        needed = spec["config"].get("min.insync.replicas", 1)
        if not 2 <= needed < spec["replicas"]:
            yield f"topic {name}: {needed} of {spec['replicas']} replicas must have a record"
    for one in of_kind(objects, "KafkaNodePool"):
        most = sum(_bytes_of(spec) * spec["replicas"] / one["spec"]["replicas"] for spec in topics.values())
        room = sum(int(volume["size"].removesuffix("Gi")) for volume in one["spec"]["storage"]["volumes"]) * GIB
        if most > DISK_SHARE * room:
            yield f"{label(one)}: the topics may take {most / GIB:.1f} of {room / GIB:.0f} Gi"
        if any(spec["replicas"] > one["spec"]["replicas"] for spec in topics.values()):
            yield f"{label(one)}: has fewer brokers than a topic has replicas"


def _bytes_of(topic: Object) -> int:
    """The most bytes of a topic's records, of one replica: a segment is deleted only once it is whole."""
    settings: dict[str, Any] = topic["config"]
    return int(topic["partitions"]) * (int(settings["retention.bytes"]) + int(settings["segment.bytes"]))


def kafka_scaling(objects: list[Object]) -> Iterator[str]:
    """KEDA asks the brokers that the storers use, about their topic and group, and is let in."""
    authentications = {one["metadata"]["name"] for one in of_kind(objects, "TriggerAuthentication")}
    listeners = {address.replace(":", ".event-tracker.svc:"): one for address, one in _listeners(objects).items()}
    for one in of_kind(objects, "ScaledObject"):
        for trigger in one["spec"]["triggers"]:
            asked = trigger["metadata"]
            _, listener = listeners.get(asked["bootstrapServers"], (None, None))
            if listener is None or not _lets_in(listener, "keda", {"app": "keda-operator"}):
                yield f"{label(one)}: KEDA may not reach {asked['bootstrapServers']}"
            if (asked["topic"], asked["consumerGroup"]) != (TOPICS[0], GROUP):
                yield f"{label(one)}: asks about another topic or group than the storers'"
            if trigger["authenticationRef"]["name"] not in authentications:
                yield f"{label(one)}: TriggerAuthentication/{trigger['authenticationRef']['name']} isn't rendered"
        partitions = [each["spec"]["partitions"] for each in of_kind(objects, "KafkaTopic")]
        if partitions and one["spec"]["maxReplicaCount"] > max(partitions):
            yield f"{label(one)}: more storers than partitions"


KAFKA_CHECKS = (kafka_clients, kafka_users, kafka_parts, kafka_topics, kafka_scaling)
