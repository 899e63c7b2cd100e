"""Run the command line: `tracker`, or `python -m event_tracker.cli`."""

import signal

from event_tracker.cli.commands import cli


def main() -> None:
    """Run one command; the exit code tells how it went."""
    # As Ctrl-C. Without a handler the first process of a container isn't ended by SIGTERM at all.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cli(prog_name="tracker")


if __name__ == "__main__":
    main()
