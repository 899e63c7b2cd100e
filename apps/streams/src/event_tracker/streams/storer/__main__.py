"""Run the storer: `storer`, or `python -m event_tracker.streams.storer`. Settings come from the environment: docs/configuration.md."""

import sys

from event_tracker.core.logs import configure_logs
from event_tracker.core.settings import InvalidSettingsError
from event_tracker.streams.storer.service import run
from event_tracker.streams.storer.settings import StorerSettings


def main() -> None:
    """Store until SIGTERM. If settings are wrong, exits and lists every mistake."""
    try:
        settings = StorerSettings.read()
    except InvalidSettingsError as error:
        sys.exit(f"storer: these settings are wrong:\n{error}")
    configure_logs("storer", settings.log_level)
    run(settings)


if __name__ == "__main__":
    main()
