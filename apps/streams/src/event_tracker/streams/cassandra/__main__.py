"""Run the relay: `cassandra-relay`, or `python -m event_tracker.streams.cassandra`. Settings come from the environment."""

import sys

from event_tracker.core.logs import configure_logs
from event_tracker.core.settings import InvalidSettingsError
from event_tracker.streams.cassandra.settings import CassandraRelaySettings


def main() -> None:
    """Relay until SIGTERM. If settings are wrong, exits and lists every mistake."""
    try:
        settings = CassandraRelaySettings.read()
    except InvalidSettingsError as error:
        sys.exit(f"cassandra-relay: these settings are wrong:\n{error}")
    configure_logs("cassandra-relay", settings.log_level)
    from event_tracker.streams.cassandra.service import run  # needs the driver, which the settings ask for

    run(settings)


if __name__ == "__main__":
    main()
