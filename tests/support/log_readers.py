"""What reads logs in tests."""

from typing import Any

from sent_files import VISITOR_SECRET

from event_tracker.cli.ingest.logs.options import LogOptions
from event_tracker.cli.ingest.logs.read import LogReader


def log_reader(**options: Any) -> LogReader:
    """A reader by which every request becomes an event, if nothing else is said."""
    given = {"also": frozenset({"all"}), **options}
    return LogReader(lambda: LogOptions(secret=VISITOR_SECRET, **given))
