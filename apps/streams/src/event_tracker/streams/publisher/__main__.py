"""Run the publisher: `publisher`, or `python -m event_tracker.streams.publisher`. Settings come from the environment."""

import sys

from event_tracker.core.logs import configure_logs
from event_tracker.core.settings import InvalidSettingsError
from event_tracker.streams.publisher.service import run
from event_tracker.streams.publisher.settings import PublisherSettings


def main() -> None:
    """Publish until SIGTERM. If settings are wrong, exits and lists every mistake."""
    try:
        settings = PublisherSettings.read()
    except InvalidSettingsError as error:
        sys.exit(f"publisher: these settings are wrong:\n{error}")
    configure_logs("publisher", settings.log_level)
    run(settings)


if __name__ == "__main__":
    main()
