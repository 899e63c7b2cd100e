"""Component kafka, and KEDA beside it: broken on purpose, one thing at a time, to see that the checks see it."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
from kafka_manifests import KAFKA_CHECKS
from manifest_checks import connections, problems
from manifests import Object, named, rendered

from event_tracker.streams.storer.settings import StorerSettings

ALL = "all but cnpg"


def spec(objects: list[Object], kind: str, name: str) -> Any:
    return named(objects, kind, name)["spec"]


def pod(objects: list[Object], name: str) -> Any:
    return spec(objects, "Deployment", name)["template"]


def volume(objects: list[Object], deployment: str, name: str) -> Any:
    return next(one for one in pod(objects, deployment)["spec"]["volumes"] if one["name"] == name)


def remove(objects: list[Object], kind: str, name: str) -> None:
    objects.remove(named(objects, kind, name))


def listener(objects: list[Object]) -> Any:
    return spec(objects, "Kafka", "events")["kafka"]["listeners"][0]


def trigger(objects: list[Object]) -> Any:
    return spec(objects, "ScaledObject", "storer")["triggers"][0]


BROKEN: dict[str, tuple[Callable[[list[Object]], Any], str]] = {
    "another port": (
        lambda o: listener(o).update(port=9094),
        "Deployment/(collector|storer): there is no listener events-kafka-bootstrap:9093",
    ),
    "a storer shut out by its label": (
        lambda o: pod(o, "storer")["metadata"]["labels"].pop("event-tracker/kafka-client"),
        "Deployment/storer: may not reach Kafka",
    ),
    "a collector that the listener doesn't let in": (
        lambda o: listener(o)["networkPolicyPeers"].pop(0),
        "Deployment/collector: may not reach Kafka",
    ),
    "a user that isn't there": (
        lambda o: remove(o, "KafkaUser", "kafka-storer"),
        "Deployment/storer: KafkaUser/kafka-storer isn't rendered",
    ),
    "the password of another user": (
        lambda o: volume(o, "storer", "kafka")["secret"].update(secretName="kafka-collector"),
        "Deployment/storer: doesn't mount kafka-storer",
    ),
    "another cluster's certificate": (
        lambda o: volume(o, "storer", "kafka-ca")["secret"].update(secretName="kafka-cluster-ca-cert"),
        "Deployment/storer: doesn't mount events-cluster-ca-cert",
    ),
    "a right too much": (
        lambda o: spec(o, "KafkaUser", "kafka-collector")["authorization"]["acls"][0]["operations"].append("Read"),
        "KafkaUser/kafka-collector: its rights",
    ),
    "a right too little": (
        lambda o: spec(o, "KafkaUser", "kafka-storer")["authorization"]["acls"].pop(2),
        "KafkaUser/kafka-storer: its rights",
    ),
    "a right to all topics that begin so": (
        lambda o: spec(o, "KafkaUser", "kafka-storer")["authorization"]["acls"][0]["resource"].update(
            patternType="prefix"
        ),
        "KafkaUser/kafka-storer: its rights",
    ),
    "a topic of another cluster": (
        lambda o: named(o, "KafkaTopic", "analytics-events")["metadata"]["labels"].update(
            {"strimzi.io/cluster": "event"}
        ),
        "KafkaTopic/analytics-events: Kafka/event isn't rendered",
    ),
    "a topic by the name of its object": (
        lambda o: spec(o, "KafkaTopic", "analytics-events").update(topicName="analytics-events"),
        "Kafka/events: there is no topic analytics.events",
    ),
    "one broker that has all there is": (
        lambda o: spec(o, "KafkaTopic", "analytics-events")["config"].pop("min.insync.replicas"),
        "topic analytics.events: 1 of 3 replicas must have a record",
    ),
    "no broker that may be lost": (
        lambda o: spec(o, "KafkaTopic", "analytics-events")["config"].update({"min.insync.replicas": 3}),
        "topic analytics.events: 3 of 3 replicas must have a record",
    ),
    "topics larger than the disks": (
        lambda o: spec(o, "KafkaTopic", "analytics-events")["config"].update({"retention.bytes": 2**31}),
        r"KafkaNodePool/brokers: the topics may take 54\.\d of 60 Gi",
    ),
    "fewer brokers than replicas": (
        lambda o: spec(o, "KafkaNodePool", "brokers").update(replicas=2),
        "KafkaNodePool/brokers: has fewer brokers",
    ),
    "data that may be pruned": (
        lambda o: named(o, "KafkaTopic", "analytics-events")["metadata"]["annotations"].pop(
            "argocd.argoproj.io/sync-options"
        ),
        "KafkaTopic/analytics-events: may be pruned or deleted",
    ),
    "brokers after the migration": (
        lambda o: named(o, "Kafka", "events")["metadata"]["annotations"].update({"argocd.argoproj.io/sync-wave": "2"}),
        "Job/migrate: isn't in a later wave than Kafka/events",
    ),
    "metrics of brokers that have none": (
        lambda o: spec(o, "Kafka", "events")["kafka"].pop("metricsConfig"),
        "PodMonitor/kafka: its pods have no port tcp-prometheus",
    ),
    "a policy for another cluster": (
        lambda o: spec(o, "NetworkPolicy", "kafka-cluster")["podSelector"]["matchLabels"].update(
            {"strimzi.io/cluster": "kafka"}
        ),
        "NetworkPolicy/kafka-cluster: selects no pod",
    ),
    "KEDA shut out": (lambda o: listener(o)["networkPolicyPeers"].pop(1), "ScaledObject/storer: KEDA may not reach"),
    "KEDA that asks by a name of its own namespace": (
        lambda o: trigger(o)["metadata"].update(bootstrapServers="events-kafka-bootstrap:9093"),
        "ScaledObject/storer: KEDA may not reach events-kafka-bootstrap:9093",
    ),
    "KEDA that asks about another group": (
        lambda o: trigger(o)["metadata"].update(consumerGroup="storer"),
        "ScaledObject/storer: asks about another topic or group",
    ),
    "KEDA without its secrets": (
        lambda o: remove(o, "TriggerAuthentication", "kafka"),
        "ScaledObject/storer: TriggerAuthentication/kafka isn't rendered",
    ),
    "more storers than partitions": (
        lambda o: spec(o, "ScaledObject", "storer").update(maxReplicaCount=13),
        "ScaledObject/storer: more storers than partitions",
    ),
    "replicas beside KEDA": (
        lambda o: spec(o, "Deployment", "storer").update(replicas=2),
        "Deployment/storer: sets replicas though it is autoscaled",
    ),
}


@pytest.mark.parametrize(("breaking", "named_as"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_on_purpose_is_named(breaking: Callable[[list[Object]], Any], named_as: str):
    objects = copy.deepcopy(rendered(ALL))
    breaking(objects)
    found = problems(objects)
    assert any(re.match(named_as, one) for one in found), found


def test_without_the_component_nothing_of_kafka_is_there():
    for name in ("base", "minikube", "production"):
        objects = rendered(name)
        assert not [one for one in objects if one["apiVersion"].startswith(("kafka.strimzi.io", "keda.sh"))]
        assert not [one for one in objects if one["kind"] != "ConfigMap" and "KAFKA_" in str(one)]


def test_every_setting_of_kafka_in_the_collector_is_checked():
    """So that the checks of clients don't pass for want of a client."""
    found = problems([one for one in rendered(ALL) if one["kind"] != "Kafka"], *KAFKA_CHECKS)
    assert {
        f"Deployment/{name}: there is no listener events-kafka-bootstrap:9093" for name in ("collector", "storer")
    } <= {*found}


def test_the_connections_of_storers_are_counted():
    objects = copy.deepcopy(rendered(ALL))
    before = problems(objects, connections)
    spec(objects, "ScaledObject", "storer")["maxReplicaCount"] = 60
    assert problems(objects, connections) != before


def test_a_storer_has_the_time_to_finish_its_group():
    grace = pod(rendered(ALL), "storer")["spec"]["terminationGracePeriodSeconds"]
    assert grace >= StorerSettings.statement_seconds + 10


def test_the_passwords_that_keda_and_pods_read_are_those_that_the_operator_makes():
    users = {one["metadata"]["name"] for one in rendered(ALL) if one["kind"] == "KafkaUser"}
    (authentication,) = [one["spec"] for one in rendered(ALL) if one["kind"] == "TriggerAuthentication"]
    (user,) = [one["name"] for one in authentication["secretTargetRef"] if one["parameter"] == "password"]
    (name,) = [one["name"] for one in authentication["configMapTargetRef"]]
    assert named(rendered(ALL), "ConfigMap", name)["data"]["username"] == user
    assert user in users
