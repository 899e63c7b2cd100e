"""Kafka for `tracker up`: one broker, which is its own controller, on this machine's loopback and without passwords.

Who may use this machine may read and write its topics, as they may use the services of `tracker up --auth open`.
"""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from event_tracker.cli.local.kafka_jars import fetch_jars, kafka_version, require_programs
from event_tracker.cli.local.process import Process
from event_tracker.cli.local.services import HOST, inherited_settings, url_in_role
from event_tracker.core.kafka.settings import KafkaSettings

READY_SECONDS = 120
PARTITIONS = 12
WEEK_MS = 7 * 86_400_000
DISK_BYTES = 1 << 30
"""Of each topic, over its partitions."""

SEGMENT_BYTES = 16 << 20
"""Only whole segments are deleted, so that a partition may have so much more than its share."""

TOPIC_OPTIONS = {
    "retention.ms": str(WEEK_MS),
    "retention.bytes": str(DISK_BYTES // PARTITIONS),
    "segment.bytes": str(SEGMENT_BYTES),
}


def start_kafka(stack: ExitStack, data: Path, port: int, also: Sequence[str] = ()) -> tuple[Process, dict[str, str]]:
    """Start a broker with its data in the data folder, and make the topics. The first time it fetches Kafka.

    Args:
        port: of the broker. Its controller takes any free one.
        also: topics beside those of events and of refused events.

    Returns:
        The broker's process, and the settings of Kafka for collector and storer.

    Raises:
        ClickException: if Java, Maven or a package is missing, or the broker doesn't start.
    """
    java, _ = require_programs()
    settings = {"KAFKA_BROKERS": f"{HOST}:{port}", "KAFKA_SINGLE": "true", "KAFKA_SECURITY": "plain"}
    checked = KafkaSettings(kafka_brokers=settings["KAFKA_BROKERS"], kafka_single=True)
    if mistakes := checked.contradictions():
        raise click.ClickException(" ".join(why for reasons in mistakes.values() for why in reasons))
    home = data / "kafka"
    home.mkdir(exist_ok=True)
    jars = _find_jars(home)
    properties = home / "server.properties"
    properties.write_text("\n".join(f"{name}={value}" for name, value in _broker_options(home, port).items()))
    if not (home / "data" / "meta.properties").exists():
        _format(java, jars, properties)
    command = [*_command(java, jars, "512m"), "kafka.Kafka", str(properties)]
    broker = stack.enter_context(Process("Kafka", command, data / "logs" / "kafka.log"))
    _make_topics(checked, broker, also)
    return broker, settings


def storer(logs: Path, database_url: str, settings: dict[str, str]) -> Process:
    """The process of a storer, not yet started."""
    given = {**settings, "DATABASE_URL": database_url}
    command = [sys.executable, "-m", "event_tracker.streams.storer"]
    return Process("the storer", command, logs / "storer.log", environment=inherited_settings(given) | given)


def publishing_settings() -> dict[str, str]:
    """The publisher's settings that stand in the environment, and those that have a default here."""
    return {
        "PUBLISH_TOPIC": os.environ.get("PUBLISH_TOPIC") or "analytics.stored",
        "PUBLISH_FILTERED": os.environ.get("PUBLISH_FILTERED", ""),
        "PUBLISH_FROM": os.environ.get("PUBLISH_FROM") or "earliest",
    }


def published_topics(publishing: dict[str, str]) -> list[str]:
    """The topics that a publisher with these settings needs, each once. The publisher checks the settings."""
    filtered = [one.partition(":")[0].strip() for one in publishing["PUBLISH_FILTERED"].split(",")]
    return list(dict.fromkeys(name for name in (publishing["PUBLISH_TOPIC"], *filtered) if name))


def publisher(logs: Path, owner_url: str, settings: dict[str, str]) -> Process:
    """The process of a publisher, not yet started. METRICS_PORT of the environment is the storer's."""
    given = {**settings, "DATABASE_URL": url_in_role(owner_url, "relay"), "METRICS_PORT": "0"}
    command = [sys.executable, "-m", "event_tracker.streams.publisher"]
    return Process("the publisher", command, logs / "publisher.log", environment=inherited_settings(given) | given)


def _find_jars(home: Path) -> Path:
    jars = home / f"kafka-{kafka_version()}"
    if not jars.exists():
        click.echo("Fetching Kafka (44 MB) …")
        unfinished = jars.with_name(f"{jars.name}.unfinished")
        fetch_jars(unfinished)
        unfinished.rename(jars)
    return jars


def _command(java: str, jars: Path, heap: str) -> list[str]:
    return [java, f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-cp", f"{jars}/*"]


def _format(java: str, jars: Path, properties: Path) -> None:
    cluster = "A" + secrets.token_urlsafe(16)[1:]  # a dash in front would be an option
    options = ["kafka.tools.StorageTool", "format", "--cluster-id", cluster, "--config", str(properties)]
    done = subprocess.run(  # noqa: S603
        [*_command(java, jars, "128m"), *options], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise click.ClickException(f"Kafka can't make its folder: {done.stderr.strip()[-500:]}")


def _broker_options(home: Path, port: int) -> dict[str, object]:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        controller = probe.getsockname()[1]
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": home / "data",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": 0,
        "log.cleaner.dedupe.buffer.size": 16_777_216,  # of the heap; 128 MB by default
    }


def _make_topics(settings: KafkaSettings, broker: Process, also: Sequence[str]) -> None:
    """Wait until the broker answers, and make the topics that aren't there.

    Raises:
        ClickException: if the broker refuses one.
    """
    from event_tracker.cli.kafka_cluster import Cluster  # needs the extra `kafka`

    deadline = time.monotonic() + READY_SECONDS
    cluster = Cluster(settings, answer_seconds=1)
    try:
        while True:
            try:
                for name in (settings.kafka_topic, settings.kafka_rejections_topic):
                    cluster.create(name, PARTITIONS, 1, TOPIC_OPTIONS)
            except click.ClickException:
                broker.require_running()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                break
    finally:
        cluster.close()
    patient = Cluster(settings)  # what it refuses isn't tried again: a topic's name may be wrong
    try:
        for name in also:
            patient.create(name, PARTITIONS, 1, TOPIC_OPTIONS)
    finally:
        patient.close()
