"""The command `tracker send`: send files of events, or logs of web servers, to the collector."""

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import click

from event_tracker.cli.client import open_client
from event_tracker.cli.errors import ServiceError
from event_tracker.cli.ingest.compression import READ_ERRORS
from event_tracker.cli.ingest.delivery import MAX_EVENTS, Outcome, deliver, deliver_all
from event_tracker.cli.ingest.detection import FORMATS
from event_tracker.cli.ingest.entries import EventLine
from event_tracker.cli.ingest.event_ids import EventIdMaker
from event_tracker.cli.ingest.files import find_files, sizes
from event_tracker.cli.ingest.input import AUTO, Input, Item
from event_tracker.cli.ingest.logs.options import LogOptions, log_options
from event_tracker.cli.ingest.logs.read import LogReader
from event_tracker.cli.ingest.rejected_lines import RejectedLines
from event_tracker.cli.ingest.tally import Tally
from event_tracker.cli.options import collector_options, parse_time, patience_option
from event_tracker.cli.progress import Meter

EXIT_REJECTED, EXIT_UNREADABLE = 1, 2


class InterruptedCommand(click.ClickException):
    """The user pressed Ctrl-C. The exit code is the one that shells use for it."""

    exit_code = 130


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--format",
    "format_",
    type=click.Choice([AUTO, *FORMATS]),
    default=AUTO,
    show_default=True,
    help="auto: the format that the file's name and content have.",
)
@click.option(
    "--rejected",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for rejected and expired lines and why.  [default: FILE.rejected.ndjson]",
)
@click.option(
    "--timestamp", callback=parse_time, help="A time (RFC 3339) for lines that have none. Give the same one in a rerun."
)
@click.option(
    "--batch",
    type=click.IntRange(1, MAX_EVENTS),
    default=MAX_EVENTS,
    show_default=True,
    help="Most events in a request.",
)
@click.option("--dry-run", is_flag=True, help="Validate everything, store nothing.")
@log_options
@collector_options
@patience_option
def send(
    files: tuple[str, ...],
    format_: str,
    rejected: Path | None,
    timestamp: str | None,
    batch: int,
    dry_run: bool,
    make_options: Callable[[], LogOptions],
    collector: str,
    write_key: str | None,
    patience: float,
) -> None:
    """Send the events in each FILE to the collector. FILE may be a folder, a pattern ('logs/*.gz'), or - (standard input).

    NDJSON (.ndjson, .jsonl, .json; assumed of standard input), CSV with a header (.csv), an export in Parquet (.parquet),
    or the access log of CloudFront, S3, ALB, Apache, nginx, Caddy, Traefik or IIS. Each but Parquet may be compressed with
    gzip, bzip2, xz or Zstandard. Where the content shows another format than the name, the command says which it took.

    It is safe to run again: every line has an identity, its own event_id or one made of its content, so that what is
    stored already is recognised, also in a log that was renamed or compressed. Lines that are refused go to a file, with
    the reasons; so do lines that are older than what retention has deleted of their source (expired): they are stored
    nowhere.

    Exit code: 0 if every line is stored, known or expired, 1 if some were rejected, 2 if it could not be finished, or
    a file could not be read.
    """
    found = find_files(files)
    identifier = click.get_current_context().with_resource(closing(EventIdMaker(timestamp)))
    entered = Input(found, format_, identifier, LogReader(make_options))
    client = open_client("collector", collector, patience, write_key=write_key)

    def work(batch: list[Item]) -> Outcome:
        return deliver(
            client, [item.entry.event for item in batch if isinstance(item.entry, EventLine)], dry_run=dry_run
        )

    with closing(RejectedLines(rejected, found)) as report, Meter("lines", sizes(found)) as meter:
        report.remove_earlier()
        tally = Tally(report, len(found))
        try:
            for done, outcome in deliver_all(client, entered.batches(batch), work):
                tally.add(done, outcome)
                meter.show(tally.lines, entered.position())
        except (ServiceError, KeyboardInterrupt, *READ_ERRORS) as error:
            _stop(error, tally)
    click.echo(tally.summary(meter.seconds, dry_run=dry_run))
    if entered.unreadable:
        click.echo(f"{entered.unreadable:,} of {len(found):,} files could not be read to their end.", err=True)
        sys.exit(EXIT_UNREADABLE)
    if tally.rejected:
        sys.exit(EXIT_REJECTED)


def _stop(error: BaseException, tally: Tally) -> NoReturn:
    """End the command with an error that says what happened, how far it got, and what to do."""
    why = error.message if isinstance(error, ServiceError) else str(error) or "Interrupted."
    same = "the same files" if tally.files > 1 else "the same file"
    why += f"\nStopped after {tally.describe_position()}: {tally.counts()}. Send {same} again: what is stored already is recognised."
    raise InterruptedCommand(why) if isinstance(error, KeyboardInterrupt) else ServiceError(why)
