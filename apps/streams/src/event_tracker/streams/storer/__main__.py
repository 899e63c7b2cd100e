"""Run the storer: `storer`, or `python -m event_tracker.streams.storer`. Settings come from the environment: docs/configuration.md."""

from event_tracker.streams.process.main import start
from event_tracker.streams.storer.service import run
from event_tracker.streams.storer.settings import StorerSettings


def main() -> None:
    """Store until SIGTERM."""
    start("storer", StorerSettings.read, run)


if __name__ == "__main__":
    main()
