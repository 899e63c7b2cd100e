"""Run the archive: `archive`, or `python -m event_tracker.streams.archive`. Settings come from the environment: docs/configuration.md."""

from event_tracker.streams.archive.service import run
from event_tracker.streams.archive.settings import ArchiveSettings
from event_tracker.streams.process.main import start


def main() -> None:
    """Archive until SIGTERM."""
    start("archive", ArchiveSettings.read, run)


if __name__ == "__main__":
    main()
