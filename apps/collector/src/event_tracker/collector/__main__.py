"""Run the collector: `collector`, or `python -m event_tracker.collector`. Settings come from the environment: docs/configuration.md."""

import event_tracker.core.server.gevent_patch  # noqa: F401, I001  # first of all, as it says

from event_tracker.collector.kafka.check import check_kafka
from event_tracker.collector.settings import CollectorSettings
from event_tracker.core.server.run import serve


def main() -> None:
    """Serve until SIGTERM."""
    serve("collector", CollectorSettings, "event_tracker.collector.app:create_app", check_kafka)


if __name__ == "__main__":
    main()
