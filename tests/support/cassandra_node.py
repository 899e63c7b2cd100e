"""A real Cassandra on this machine's loopback, for tests: one node, whose jars Maven fetches once into .tools.

It has the settings of the compose stack's node, but for what makes it safe, and quick to start.
At its port it speaks with and without TLS. Users sign in with a password, and may do only what they were given.
"""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

import click
import yaml
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.policies import ExponentialReconnectionPolicy, RoundRobinPolicy
from ports import free_port
from shared import made_once
from tls_front import make_certificate
from tools import ROOT, not_checked, tool
from waiting import wait_until

from event_tracker.cli.local.kafka_jars import fetch_jars

COMPOSE = ROOT / "infra" / "cassandra"
"""The settings of the compose stack's node. Those of this one differ where they must."""

POM = Path(__file__).with_name("cassandra-pom.xml")
HEAP = "512m"
START_SECONDS = 600
ANSWER_SECONDS = 60
SUPERUSER = ("cassandra", "cassandra")
"""Cassandra makes it at the first start."""

EXPORTS = [
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.rmi/sun.rmi.transport.tcp",
    "java.sql/java.sql",
    "java.base/java.lang.ref",
    "java.base/java.lang.reflect",
    "java.base/jdk.internal.util",
    "jdk.compiler/com.sun.tools.javac.code",
]

OPENS = [
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.util.jar",
    "jdk.management/com.sun.management.internal",
    "java.base/java.lang.reflect",
    "java.base/java.util",
    "java.base/java.nio",
    "java.base/sun.nio.ch",
    "java.base/java.io",
    "java.base/java.net",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "jdk.compiler/com.sun.tools.javac",
    "java.base/sun.util.calendar",
]


def cassandra_jars() -> Path:
    """The folder of the jars. Skips the test where there is no Java, no Maven, or no registry."""
    tool("java")
    tool("mvn")
    version = ElementTree.parse(POM).findtext(".//{*}properties/{*}cassandra.version")  # it is our own file
    tools = ROOT / ".tools"
    tools.mkdir(exist_ok=True)
    try:
        return made_once(tools / f"cassandra-{version}", lambda folder: fetch_jars(folder, POM))
    except click.ClickException as error:
        not_checked(error.message)


class CassandraNode:
    """A node, and what tests do with it as the superuser.

    Attributes:
        name: what its certificate is for.
        ca: a file of the certificate that clients trust.
    """

    host = "127.0.0.1"
    name = "localhost"

    def __init__(self, folder: Path) -> None:
        self._java, self._jars, self._folder = tool("java"), cassandra_jars(), folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        certificate, text = make_certificate(folder, self.name)
        self.ca = folder / "ca.crt"
        self.ca.write_text(text)
        (folder / "cassandra.yaml").write_text(yaml.safe_dump(self._settings(certificate)))

    def start(self) -> None:
        """Start it, and wait until the superuser may sign in."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._answers, f"it starts: {self._folder}/log", START_SECONDS)
        wait_until(self._is_seen, "the session of before sees it again", START_SECONDS)

    def kill(self) -> None:
        """End it at once. It keeps its data."""
        assert self._process
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(60)

    def stop(self) -> None:
        """End it. Its data isn't needed any more."""
        if "session" in self.__dict__:
            self.session.cluster.shutdown()
        if self._process and self._process.poll() is None:
            self.kill()

    @cached_property
    def session(self) -> Session:
        """A session of the superuser, without TLS."""
        return self._connect()

    def make_keyspace(self, name: str) -> str:
        """Make a keyspace, and a user of its name, with the password `secret`, who may do there what the relay must."""
        replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
        self.session.execute(f"create keyspace {name} with replication = {replication}")
        self.session.execute(f"create role {name} with password = 'secret' and login = true")
        for right in ("create", "select", "modify"):
            self.session.execute(f"grant {right} on keyspace {name} to {name}")
        return name

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, (self._folder / "log").read_text()[-4000:]
        try:
            self._connect().cluster.shutdown()
        except NoHostAvailable:
            return False
        return True

    def _is_seen(self) -> bool:
        try:
            self.session.execute("select key from system.local")
        except NoHostAvailable:
            return False
        return True

    def _connect(self) -> Session:
        profile = ExecutionProfile(RoundRobinPolicy(), request_timeout=ANSWER_SECONDS)
        cluster = Cluster(
            [self.host],
            port=self.port,
            protocol_version=4,
            connect_timeout=ANSWER_SECONDS,
            control_connection_timeout=ANSWER_SECONDS,
            auth_provider=PlainTextAuthProvider(*SUPERUSER),
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            reconnection_policy=ExponentialReconnectionPolicy(0.5, 2.0, max_attempts=None),
        )
        try:
            return cluster.connect()
        except NoHostAvailable:
            cluster.shutdown()
            raise

    def _command(self) -> list[str]:
        rights = [f"--add-exports={one}=ALL-UNNAMED" for one in EXPORTS] + [
            f"--add-opens={one}=ALL-UNNAMED" for one in OPENS
        ]
        (agent,) = self._jars.glob("jamm-*.jar")
        properties = {
            "jdk.attach.allowAttachSelf": "true",
            "cassandra.config": f"file://{self._folder}/cassandra.yaml",
            "logback.configurationFile": COMPOSE / "logback.xml",
            "cassandra.storagedir": self._folder,
            "cassandra-foreground": "yes",
            "cassandra.skip_wait_for_gossip_to_settle": 0,
            "cassandra.superuser_setup_delay_ms": 0,
            "cassandra.ring_delay_ms": 100,
        }
        return [
            self._java, f"-Xms{HEAP}", f"-Xmx{HEAP}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k",
            "-XX:MaxDirectMemorySize=256m", f"-javaagent:{agent}", *rights,
            *(f"-D{name}={value}" for name, value in properties.items()),
            "-cp", f"{self._folder}:{self._jars}/*", "org.apache.cassandra.service.CassandraDaemon",
        ]  # fmt: skip

    def _settings(self, certificate: Path) -> dict[str, object]:
        settings = yaml.safe_load((COMPOSE / "cassandra.yaml").read_text())
        (seeds,) = settings["seed_provider"]
        folders = {name: str(self._folder / name) for name in settings if name.endswith("_directory")}
        return {
            **settings,
            **folders,
            "data_file_directories": [str(self._folder / "data")],
            "seed_provider": [{**seeds, "parameters": [{"seeds": self.host}]}],
            "listen_address": self.host,
            "storage_port": free_port(),
            "rpc_address": self.host,
            "native_transport_port": self.port,
            "authenticator": "PasswordAuthenticator",
            "authorizer": "CassandraAuthorizer",
            "role_manager": "CassandraRoleManager",
            # On a machine under load nothing times out.
            **{f"{kind}_request_timeout": f"{ANSWER_SECONDS}s" for kind in ("read", "range", "write", "truncate")},
            "client_encryption_options": {
                "enabled": True,
                "optional": True,
                "ssl_context_factory": {"class_name": "org.apache.cassandra.security.PEMBasedSslContextFactory"},
                "keystore": str(certificate),
            },
        }


@contextmanager
def cassandra_node(folder: Path) -> Iterator[CassandraNode]:
    """A node for a while. Its data is in `folder`."""
    node = CassandraNode(folder)
    try:
        node.start()
        yield node
    finally:
        node.stop()
