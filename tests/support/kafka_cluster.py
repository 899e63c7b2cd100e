"""A real Kafka on this machine's loopback, for tests and the benchmark: one broker or several, each of them a controller too.

Every broker has two listeners. On the plain one anybody may do anything: tests look and prepare there. On the other one there
are TLS, SCRAM-SHA-512 and access lists: a user who was given nothing may do nothing.
"""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka_jars import kafka_jars
from ports import free_port
from tls_front import make_certificate
from tools import tool

START_SECONDS = 120
ANSWER_SECONDS = 30
MAX_REPLICAS = 3
QUICK_START = ("-Xmx384m", "-Xms64m", "-XX:TieredStopAtLevel=1")
"""Options of Java for brokers that live shortly."""

ACCESS = {
    "read": AclOperation.READ,
    "write": AclOperation.WRITE,
    "describe": AclOperation.DESCRIBE,
    "describe_configs": AclOperation.DESCRIBE_CONFIGS,
}


class Broker:
    """One broker: its folder, its ports and, while it runs, its process."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number, self.folder = number, folder
        self.plain, self.secure, self.controller = free_port(), free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def send(self, sig: int) -> None:
        """Send a signal to it: SIGSTOP and SIGCONT make a broker that hangs for a while."""
        assert self.process
        self.process.send_signal(sig)

    def stop(self, sig: int = signal.SIGTERM) -> None:
        """End it and wait for that. It keeps its data."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(sig)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:  # the last ones have no quorum to leave
                self.process.kill()
                self.process.wait(20)


class KafkaCluster:
    """Brokers, and what tests do with them as the administrator.

    Args:
        java_options: of each broker.

    Attributes:
        brokers: the first has the number 1.
        ca: the certificate that clients of the secure listeners trust.
    """

    def __init__(self, folder: Path, brokers: int, java_options: Sequence[str] = QUICK_START) -> None:
        self._java, self._jars = tool("java"), kafka_jars()
        self._java_options = java_options
        self.brokers = [Broker(number, folder / f"broker{number}") for number in range(1, brokers + 1)]
        self._certificate, text = make_certificate(folder, "localhost")
        self.ca = folder / "ca.crt"
        self.ca.write_text(text)
        cluster_id = "A" + secrets.token_urlsafe(16)[1:]  # a dash in front would be an option
        for broker in self.brokers:
            broker.folder.mkdir()
            properties = broker.folder / "server.properties"
            properties.write_text("\n".join(f"{name}={value}" for name, value in self._properties(broker).items()))
            options = ["format", "--cluster-id", cluster_id, "--config", str(properties)]
            command = self._command("kafka.tools.StorageTool", "warn", QUICK_START)
            subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    @property
    def servers(self) -> str:
        """Where the plain listeners are."""
        return ",".join(f"localhost:{broker.plain}" for broker in self.brokers)

    @property
    def secure_servers(self) -> str:
        """Where the secure listeners are."""
        return ",".join(f"localhost:{broker.secure}" for broker in self.brokers)

    def client(self, **options: Any) -> dict[str, Any]:
        """What a client of the plain listeners is configured with."""
        return {"bootstrap.servers": self.servers, "log_level": 0, **options}

    @cached_property
    def admin(self) -> AdminClient:
        """A client that may do anything. It must live as long as what it has begun."""
        return AdminClient(self.client())

    def start(self, *numbers: int) -> None:
        """Start these brokers, or all, and wait until they answer."""
        started = [broker for broker in self.brokers if not numbers or broker.number in numbers]
        for broker in started:
            command = self._command("kafka.Kafka", "info", self._java_options)
            with (broker.folder / "log").open("ab") as log:
                broker.process = subprocess.Popen(
                    [*command, str(broker.folder / "server.properties")],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        for broker in started:
            self._wait(broker)

    def stop(self) -> None:
        """End all brokers."""
        for broker in self.brokers:
            if broker.process and broker.process.poll() is None:
                broker.process.send_signal(signal.SIGTERM)
        for broker in self.brokers:
            broker.stop()

    def create_topic(self, name: str, partitions: int = 6, **config: object) -> str:
        """Create a topic, replicated as far as there are brokers; return its name."""
        replicas = min(len(self.brokers), MAX_REPLICAS)
        topic = NewTopic(name, partitions, replicas, config={key: str(value) for key, value in config.items()})
        for future in self.admin.create_topics([topic]).values():
            future.result(ANSWER_SECONDS)
        return name

    def change_topic(self, name: str, **config: object) -> None:
        """Change options of a topic."""
        entries = [
            ConfigEntry(key, str(value), incremental_operation=AlterConfigOpType.SET) for key, value in config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        for future in self.admin.incremental_alter_configs([resource]).values():
            future.result(ANSWER_SECONDS)

    def add_user(self, name: str, password: str) -> None:
        """Add a user of SCRAM-SHA-512, who may do nothing yet; or change their password."""
        credentials = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        change = UserScramCredentialUpsertion(name, credentials, password.encode())
        for future in self.admin.alter_user_scram_credentials([change]).values():
            future.result(ANSWER_SECONDS)

    def allow(self, user: str, kind: str, name: str, access: Sequence[str]) -> None:
        """Let a user access a topic or a group in these ways: read, write, describe, describe_configs."""
        resource = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}[kind]
        allowed = [
            AclBinding(
                resource, name, ResourcePatternType.LITERAL, f"User:{user}", "*", ACCESS[one], AclPermissionType.ALLOW
            )
            for one in access
        ]
        for future in self.admin.create_acls(allowed).values():
            future.result(ANSWER_SECONDS)

    def _command(self, main: str, level: str, options: Sequence[str]) -> list[str]:
        return [
            self._java, *options, "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError",
            f"-Dorg.slf4j.simpleLogger.defaultLogLevel={level}", "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-cp", f"{self._jars}{os.sep}*", main,
        ]  # fmt: skip

    def _properties(self, broker: Broker) -> dict[str, object]:
        replicas, in_sync = min(len(self.brokers), MAX_REPLICAS), 2 if len(self.brokers) >= MAX_REPLICAS else 1
        addresses = f"PLAIN://localhost:{broker.plain},SECURE://localhost:{broker.secure}"
        return {
            "process.roles": "broker,controller",
            "node.id": broker.number,
            "controller.quorum.voters": ",".join(f"{one.number}@localhost:{one.controller}" for one in self.brokers),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAIN",
            "listeners": f"{addresses},CONTROLLER://localhost:{broker.controller}",
            "advertised.listeners": addresses,
            "listener.security.protocol.map": "PLAIN:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._certificate,
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.secure.scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "log.dirs": broker.folder / "data",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "auto.create.topics.enable": "false",
            "unclean.leader.election.enable": "false",
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "group.consumer.min.session.timeout.ms": 5000,
            "group.consumer.session.timeout.ms": 5000,
            "group.consumer.min.heartbeat.interval.ms": 1000,
            "group.consumer.heartbeat.interval.ms": 1000,
            "log.cleaner.dedupe.buffer.size": 16777216,  # of the heap; 128 MB by default
            "log.retention.check.interval.ms": 1000,
            "broker.session.timeout.ms": 6000,
            "broker.heartbeat.interval.ms": 1000,
            "replica.lag.time.max.ms": 5000,
        }

    def _wait(self, broker: Broker) -> None:
        """Wait until the broker says that it is one of the cluster's."""
        deadline = time.monotonic() + START_SECONDS
        admin = AdminClient({"bootstrap.servers": f"localhost:{broker.plain}", "log_level": 0})
        while time.monotonic() < deadline:
            assert broker.process
            if broker.process.poll() is not None:
                break
            try:
                if broker.number in admin.list_topics(timeout=1).brokers:
                    return
            except KafkaException:
                time.sleep(0.1)
        log = (broker.folder / "log").read_text()
        raise AssertionError(f"broker {broker.number} doesn't answer:\n{log[-4000:]}")


@contextmanager
def kafka_cluster(folder: Path, brokers: int = 1, java_options: Sequence[str] = QUICK_START) -> Iterator[KafkaCluster]:
    """A cluster for a while. Its data is in `folder`."""
    cluster = KafkaCluster(folder, brokers, java_options)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
