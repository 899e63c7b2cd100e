"""Run the dashboard: `dashboard`, or `python -m event_tracker.dashboard`. Settings come from the environment: docs/dashboard.md."""

import os
import signal
import sys

from event_tracker.dashboard.settings import Settings


def main() -> None:
    """Serve until SIGTERM or Ctrl-C; the exit code is then 0."""
    # uvicorn stops in order at a signal, and then raises it again for whoever handled it before.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    # In a container the user has no home, and Streamlit fails without one: it looks there for settings.
    os.environ.setdefault("HOME", "/")
    settings = Settings.read()
    from event_tracker.dashboard.web.server import (
        serve,  # Streamlit takes a second to import; a signal until then is obeyed at once
    )

    serve(settings)


if __name__ == "__main__":
    main()
