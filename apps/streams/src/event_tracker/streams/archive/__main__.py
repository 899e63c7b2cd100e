"""Run the archive: `archive`, or `python -m event_tracker.streams.archive`. Settings come from the environment: docs/configuration.md."""

import sys

from event_tracker.core.logs import configure_logs
from event_tracker.core.settings import InvalidSettingsError
from event_tracker.streams.archive.service import run
from event_tracker.streams.archive.settings import ArchiveSettings


def main() -> None:
    """Archive until SIGTERM. If settings are wrong, exits and lists every mistake."""
    try:
        settings = ArchiveSettings.read()
    except InvalidSettingsError as error:
        sys.exit(f"archive: these settings are wrong:\n{error}")
    configure_logs("archive", settings.log_level)
    run(settings)


if __name__ == "__main__":
    main()
