"""Run the publisher: `publisher`, or `python -m event_tracker.streams.publisher`. Its settings are in docs/configuration.md."""

from event_tracker.streams.process.main import start
from event_tracker.streams.publisher.service import run
from event_tracker.streams.publisher.settings import PublisherSettings


def main() -> None:
    """Publish until SIGTERM."""
    start("publisher", PublisherSettings.read, run)


if __name__ == "__main__":
    main()
