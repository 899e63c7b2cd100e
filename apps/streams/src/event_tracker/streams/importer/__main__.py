"""Run the importer: `importer`, or `python -m event_tracker.streams.importer`. Its settings are in docs/configuration.md."""

import sys

from event_tracker.streams.importer.mapping import InvalidMappingError, read_mapping
from event_tracker.streams.importer.service import run
from event_tracker.streams.importer.settings import ImporterSettings
from event_tracker.streams.process.main import start


def main() -> None:
    """Import until SIGTERM."""
    start("importer", ImporterSettings.read, _run)


def _run(settings: ImporterSettings) -> None:
    try:
        mapping = read_mapping(settings.mapping_file)
    except InvalidMappingError as error:
        sys.exit(f"importer: the mapping file {settings.mapping_file} is wrong:\n{error}")
    run(settings, mapping)


if __name__ == "__main__":
    main()
