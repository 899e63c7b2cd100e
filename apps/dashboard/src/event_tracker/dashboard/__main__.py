"""Run the dashboard: `dashboard`, or `python -m event_tracker.dashboard`. Settings come from the environment: docs/dashboard.md."""

import os
import signal
import sys

from event_tracker.dashboard.settings import Settings


def main() -> None:
    """Serve until SIGTERM or Ctrl-C. The exit code is then 0."""
    # uvicorn stops in order at a signal, and then raises it again for the handler that was set before.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    # In a container the user has no home directory. Streamlit looks there for settings, and fails without it.
    os.environ.setdefault("HOME", "/")
    settings = Settings.read()
    from event_tracker.dashboard.web.server import (
        serve,  # imported late: Streamlit takes a second to import, and a signal before that ends the process at once
    )

    serve(settings)


if __name__ == "__main__":
    main()
