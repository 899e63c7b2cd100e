"""Run the importer: `importer`, or `python -m event_tracker.streams.importer`. Its settings are in docs/configuration.md."""

import sys

from event_tracker.core.logs import configure_logs
from event_tracker.core.settings import InvalidSettingsError
from event_tracker.streams.importer.mapping import InvalidMappingError, read_mapping
from event_tracker.streams.importer.service import run
from event_tracker.streams.importer.settings import ImporterSettings


def main() -> None:
    """Import until SIGTERM. If settings or the mapping file are wrong, exits and lists every mistake."""
    try:
        settings = ImporterSettings.read()
        mapping = read_mapping(settings.mapping_file)
    except InvalidSettingsError as error:
        sys.exit(f"importer: these settings are wrong:\n{error}")
    except InvalidMappingError as error:
        sys.exit(f"importer: the mapping file {settings.mapping_file} is wrong:\n{error}")
    configure_logs("importer", settings.log_level)
    run(settings, mapping)


if __name__ == "__main__":
    main()
