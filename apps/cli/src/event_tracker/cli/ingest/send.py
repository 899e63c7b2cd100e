"""The command `tracker send`: send a file of events to the collector."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BufferedReader
from itertools import count
from pathlib import Path
from typing import NoReturn

import click

from event_tracker.cli.client import open_client
from event_tracker.cli.errors import ServiceError
from event_tracker.cli.ingest.delivery import MOST_BYTES, MOST_EVENTS, Outcome, deliver, deliver_all
from event_tracker.cli.ingest.identity import Identifier
from event_tracker.cli.ingest.logs.events import EventMaker
from event_tracker.cli.ingest.logs.options import LogOptions, log_options
from event_tracker.cli.ingest.readers import (
    FORMATS,
    LOG_READERS,
    READ_ERRORS,
    READERS,
    Entry,
    Line,
    Stream,
    Unreadable,
    decompressed,
    format_of,
)
from event_tracker.cli.ingest.rejected_lines import RejectedFile
from event_tracker.cli.options import collector_options, parse_time, patience_option
from event_tracker.cli.progress import Meter

EXIT_REJECTED = 1

IDENTITY_BYTES = 128
"""At least as many bytes as a timestamp and an event_id add to a line."""


class InterruptedCommand(click.ClickException):
    """The user pressed Ctrl-C. The exit code is the one that shells use for it."""

    exit_code = 130


@dataclass
class Tally:
    """Counts the outcomes of the lines so far.

    Attributes:
        left_out: how many requests of a log became no event, by their kind.
        last: the number of the last line.
    """

    report: RejectedFile
    left_out: Counter[str]
    last: int = 0
    lines: int = 0
    stored: int = 0
    duplicates: int = 0
    expired: int = 0
    rejected: int = 0

    def add(self, entries: list[Entry], outcome: Outcome) -> None:
        """Count a batch, and report its lines that are rejected or expired."""
        self.last = entries[-1].number
        self.lines += len(entries)
        self.stored += outcome.stored
        self.duplicates += outcome.duplicates
        place = count()
        for entry in entries:
            index = next(place) if isinstance(entry, Line) else -1
            errors = [entry.reason._asdict()] if isinstance(entry, Unreadable) else outcome.errors.get(index)
            if errors:
                self.rejected += 1
                self.report.write(entry.number, errors, entry.original)
            elif expired := outcome.expired.get(index):
                self.expired += 1
                self.report.write(entry.number, expired, entry.original)

    def counts(self) -> str:
        """A text with the number of lines of each outcome."""
        expired = f"{self.expired:,} expired, " if self.expired else ""
        return f"{self.stored:,} stored, {self.duplicates:,} duplicates, {expired}{self.rejected:,} rejected"

    def summary(self, seconds: float, *, dry_run: bool) -> str:
        """A text about the whole run."""
        if dry_run:
            outcome = f"{self.lines - self.rejected:,} valid, {self.rejected:,} rejected; nothing is stored (dry run)"
        else:
            outcome = self.counts()
        lines = self.lines + self.left_out.total()
        first = f"{lines:,} lines: {outcome}. {seconds:.1f} s, {lines / seconds:,.0f} lines/s."
        return "\n".join(filter(None, [first, self._left_out(), self.report.summary()]))

    def _left_out(self) -> str:
        """A text about the requests that became no event."""
        if not self.left_out:
            return ""
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.left_out.most_common())
        return f"Requests that aren't stored (--also): {kinds}"


def batches(entries: Iterable[Entry], most: int) -> Iterator[list[Entry]]:
    """Group entries into lists of up to `most`. Each fits into a request, with identities added."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        added = len(entry.event) + IDENTITY_BYTES if isinstance(entry, Line) else 0
        if batch and (len(batch) == most or size + added > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += added
    if batch:
        yield batch


def _rejected_path(file: BufferedReader, chosen: Path | None) -> Path:
    if not Path(file.name).is_file():  # a pipe, which has no folder
        return chosen or Path("rejected.ndjson")
    path = chosen or Path(f"{file.name}.rejected.ndjson")
    if path.exists() and path.samefile(file.name):
        raise click.UsageError("--rejected names the file that is sent.")
    return path


def _reader(
    name: str, make_options: Callable[[], LogOptions], left_out: Counter[str]
) -> Callable[[Stream], Iterator[Entry]]:
    """The reader of a format. Requests that it leaves out are counted in `left_out`."""
    if name in READERS:
        return READERS[name]
    try:
        maker = EventMaker(make_options(), left_out)
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    return lambda stream: LOG_READERS[name](stream, maker)


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--format", "format_", type=click.Choice(FORMATS), help="By default the format that the file's name has.")
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
    type=click.IntRange(1, MOST_EVENTS),
    default=MOST_EVENTS,
    show_default=True,
    help="Most events in a request.",
)
@click.option("--dry-run", is_flag=True, help="Validate everything, store nothing.")
@log_options
@collector_options
@patience_option
def send(
    file: BufferedReader,
    format_: str | None,
    rejected: Path | None,
    timestamp: str | None,
    batch: int,
    dry_run: bool,
    make_options: Callable[[], LogOptions],
    collector: str,
    write_key: str | None,
    patience: float,
) -> None:
    """Send the events in FILE (- is standard input) to the collector.

    NDJSON (.ndjson, .jsonl, .json; assumed of standard input), CSV with a header (.csv), an export in Parquet (.parquet),
    or a web server's access log (.log: format "combined"). Each but Parquet may be compressed with gzip.

    It is safe to run again: every line has an identity, its own event_id or one made of its content, so that what is
    stored already is recognised. Lines that are refused go to a file, with the reasons; so do lines that are older than
    what retention has deleted of their source (expired): they are stored nowhere.

    Exit code: 0 if every line is stored, known or expired, 1 if some were rejected, 2 if it could not be finished.
    """
    left_out: Counter[str] = Counter()
    read = _reader(format_ or ("ndjson" if file is sys.stdin.buffer else format_of(file.name)), make_options, left_out)
    client = open_client("collector", collector, patience, write_key=write_key)
    identifier = click.get_current_context().with_resource(closing(Identifier(timestamp)))
    identified = map(identifier.identify, batches(read(decompressed(file)), batch))

    def work(batch: list[Entry]) -> Outcome:
        return deliver(client, [entry.event for entry in batch if isinstance(entry, Line)], dry_run=dry_run)

    position = file.tell if file.seekable() else lambda: 0
    total = os.fstat(file.fileno()).st_size if file.seekable() else None
    with closing(RejectedFile(_rejected_path(file, rejected))) as report, Meter("lines", total) as meter:
        tally = Tally(report, left_out)
        try:
            for done, outcome in deliver_all(client, identified, work):
                tally.add(done, outcome)
                meter.show(tally.lines, position())
        except (ServiceError, KeyboardInterrupt, *READ_ERRORS) as error:
            _stop(error, tally)
    click.echo(tally.summary(meter.seconds, dry_run=dry_run))
    if tally.rejected:
        sys.exit(EXIT_REJECTED)


def _stop(error: BaseException, tally: Tally) -> NoReturn:
    """End the command with an error that says what happened, how far it got, and what to do."""
    why = error.message if isinstance(error, ServiceError) else str(error) or "Interrupted."
    why += (
        f"\nStopped after line {tally.last:,}: {tally.counts()}. "
        "Send the same file again: what is stored already is recognised."
    )
    raise InterruptedCommand(why) if isinstance(error, KeyboardInterrupt) else ServiceError(why)
