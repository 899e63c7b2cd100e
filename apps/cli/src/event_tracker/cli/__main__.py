"""Run the command line: `tracker`, or `python -m event_tracker.cli`."""

import signal

from event_tracker.cli.commands import cli


def main() -> None:
    """Run one command and exit with its exit code."""
    # SIGTERM acts like Ctrl-C. Without a handler, SIGTERM doesn't end the first process of a container.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cli(prog_name="tracker")


if __name__ == "__main__":
    main()
