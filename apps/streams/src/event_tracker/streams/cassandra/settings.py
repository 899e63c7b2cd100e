"""The settings of the Cassandra relay."""

from collections.abc import Sequence
from dataclasses import MISSING, dataclass

from event_tracker.core.cassandra.settings import CassandraSettings
from event_tracker.core.settings import setting, validate
from event_tracker.streams.process.relay_settings import RelaySettings
from event_tracker.streams.process.settings import MonitoringSettings


@dataclass(frozen=True, kw_only=True)
class CassandraRelaySettings(MonitoringSettings, RelaySettings, CassandraSettings):
    """Where it writes, and what it reads. It uses the role `relay` of the database."""

    cassandra_hosts: Sequence[str] = setting(
        "Names or addresses of nodes to start from, separated by commas; the others are found by them.",
        kind="list", default=MISSING, check=validate.Length(min=1),
    )  # fmt: skip
    relay_from: str = setting(
        "Where it begins when it is started for the first time: `now`, or `earliest`, with the first event that is stored. Later it goes "
        "on where it was.",
        default="earliest", check=validate.OneOf(["now", "earliest"]),
    )  # fmt: skip
    relay_name: str = setting(
        "The name under which PostgreSQL keeps how far it has come. Relays of different names write independently, such as to two "
        "clusters; of those with the same name, one works and the others wait.",
        default="cassandra", check=validate.Regexp(r"^[a-z0-9-]{1,50}\Z"),
    )  # fmt: skip
