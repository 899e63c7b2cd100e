"""Run the command line: `tracker`, or `python -m tracker`."""

from tracker.cli import cli


def main() -> None:
    """Run one command; the exit code tells how it went."""
    cli(prog_name="tracker")


if __name__ == "__main__":
    main()
