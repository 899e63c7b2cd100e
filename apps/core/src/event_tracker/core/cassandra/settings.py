"""The settings of whatever speaks to Cassandra."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from event_tracker.core.settings import Settings, setting, validate


@dataclass(frozen=True, kw_only=True)
class CassandraSettings(Settings):
    """How the nodes are reached. Without `cassandra_hosts`, nothing of Cassandra is imported or started."""

    cassandra_hosts: Sequence[str] = setting(
        "Names or addresses of nodes to start from, separated by commas; the others are found by them. Empty: no Cassandra.",
        kind="list", default=(),
    )  # fmt: skip
    cassandra_port: int = setting("The nodes' port for CQL.", kind="int", default=9042, check=validate.Range(1, 65535))
    cassandra_datacenter: str = setting(
        "The data centre whose nodes are asked. Empty: that of the nodes in CASSANDRA_HOSTS.", default=""
    )
    cassandra_keyspace: str = setting(
        "The keyspace of the table `user_events`. It must be there: how it is replicated is yours to say.",
        default="event_tracker", check=validate.Regexp(r"^[a-z][a-z0-9_]{0,47}\Z"),
    )  # fmt: skip
    cassandra_consistency: str = setting(
        "How many replicas acknowledge a write, and are asked for an answer.",
        default="local_quorum",
        check=validate.OneOf(["local_one", "local_quorum", "quorum", "each_quorum"]),
    )
    cassandra_security: str = setting(
        "`plain`: neither encrypted nor signed in, for a private network. `tls`: encrypted, and the nodes' certificates are checked.",
        default="plain", check=validate.OneOf(["plain", "tls"]),
    )  # fmt: skip
    cassandra_ca: str = setting(
        "A PEM file of the authorities that sign the nodes' certificates. Empty: those that the system trusts.",
        default="",
    )
    cassandra_server_name: str = setting(
        "The name that all nodes' certificates have. Empty: each has the address that the node is reached by.",
        default="",
    )
    cassandra_user: str = setting("With CASSANDRA_SECURITY=tls: the user's name. Empty: nobody signs in.", default="")
    cassandra_password: str = setting("The user's password.", default="", secret=True)

    def contradictions(self) -> dict[str, list[str]]:
        """Mistakes in settings that are valid alone but not together, by setting."""
        mistakes = super().contradictions()
        if not self.cassandra_hosts:
            return mistakes
        if find_spec("cassandra") is None:
            mistakes["CASSANDRA_HOSTS"] = [
                "Needs the package cassandra-driver: install this with its extra `cassandra`."
            ]
        has_login = {"CASSANDRA_USER": bool(self.cassandra_user), "CASSANDRA_PASSWORD": bool(self.cassandra_password)}
        for name, is_given in has_login.items():
            if any(has_login.values()) and not is_given:
                mistakes[name] = ["CASSANDRA_USER and CASSANDRA_PASSWORD are needed together."]
        if self.cassandra_security == "plain":
            unused = {
                **has_login,
                "CASSANDRA_CA": self.cassandra_ca,
                "CASSANDRA_SERVER_NAME": self.cassandra_server_name,
            }
            for name in (name for name, value in unused.items() if value):
                mistakes[name] = ["CASSANDRA_SECURITY=plain neither encrypts nor signs in: set CASSANDRA_SECURITY=tls."]
        elif self.cassandra_ca and not Path(self.cassandra_ca).is_file():
            mistakes["CASSANDRA_CA"] = [f"There is no file {self.cassandra_ca}."]
        return mistakes
