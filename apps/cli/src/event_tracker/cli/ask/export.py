"""The command `tracker export`: write events into a file. An interrupted export continues where it broke off."""

import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import click
import requests

from event_tracker.cli.ask.export_records import CsvRecords, Records
from event_tracker.cli.ask.filters import filter_options
from event_tracker.cli.client import CONNECTION_ERRORS, Client, open_client
from event_tracker.cli.errors import ServiceError, UnavailableError
from event_tracker.cli.options import parse_time, patience_option, query_options
from event_tracker.cli.progress import Meter
from event_tracker.core.retry import backoff

SUFFIXES = {".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson", ".csv": "csv", ".parquet": "parquet"}
RECORDS: dict[str, type[Records]] = {"ndjson": Records, "csv": CsvRecords}
CHUNK_BYTES = 1 << 14
"""Bytes of the compressed body that are read at once. So many may be lost when the connection breaks."""

STDOUT = "-"

INTERRUPTIONS = (*CONNECTION_ERRORS, requests.exceptions.ContentDecodingError)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False), default=STDOUT)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["ndjson", "csv", "parquet"]),
    help="By default the format that the file's name has.",
)
@filter_options
@click.option("--from", "start", callback=parse_time, help="Events at this time (RFC 3339) or later.")
@click.option("--to", "end", callback=parse_time, help="Events before this time (RFC 3339).")
@click.option("--limit", type=click.IntRange(1), help="Most events to export.  [default: all]")
@click.option("--force", is_flag=True, help="Write over FILE if it is there, and begin again.")
@query_options
@patience_option
def export(
    file: str,
    format_: str | None,
    filters: Mapping[str, Any],
    start: str | None,
    end: str | None,
    limit: int | None,
    force: bool,
    query: str,
    token: str | None,
    patience: float,
) -> None:
    """Write events into FILE (- is standard output), newest first.

    It is FILE.part until it is whole. NDJSON and CSV go on behind the last whole record when the connection breaks, and
    when the command is run again with the same options. Parquet has its table of contents at its end, so it begins again.
    """
    name = format_ or SUFFIXES.get(Path(file).suffix.lower(), "ndjson")
    parameters = {**filters, "format": name, "from": start, "to": end}
    client = open_client("query service", query, patience, token=token)
    target = None if file == STDOUT else Path(file)
    if target and target.exists() and not force:
        raise click.UsageError(f"{file} is there already; --force writes over it.")
    part = target and target.with_name(f"{target.name}.part")
    if part and (force or name not in RECORDS):
        part.unlink(missing_ok=True)
    opened: AbstractContextManager[BinaryIO] = part.open("a+b") if part else nullcontext(sys.stdout.buffer)
    with opened as output, Meter("events", None) as meter:
        count: int | None = None
        if name in RECORDS:
            count = _download_records(
                client, parameters, limit, RECORDS[name](), output, meter, resumable=part is not None
            )
        else:
            _download_whole(client, {**parameters, "limit": limit}, output)
    size = ""
    if part and target:
        size = f"{part.stat().st_size:,} bytes, "
        count = _rows_of_parquet(part) if count is None else count
        part.replace(target)
    counted = "" if count is None else f"{count:,} events, "
    click.echo(f"{counted}{size}{meter.seconds:.1f} s.", err=True)


def _rows_of_parquet(file: Path) -> int | None:
    """The number of rows in a Parquet file; None if pyarrow isn't installed."""
    try:
        from pyarrow import parquet
    except ImportError:
        return None
    return int(parquet.read_metadata(file).num_rows)


def _download_records(
    client: Client,
    parameters: Mapping[str, Any],
    limit: int | None,
    records: Records,
    output: BinaryIO,
    meter: Meter,
    *,
    resumable: bool,
) -> int:
    """Append the missing records to the output, in as many requests as needed. Return the number of all records."""
    if resumable:
        _skip_whole_records(records, output)
    last_progress = time.monotonic()
    attempt = 0
    while limit is None or records.count < limit:
        left = None if limit is None else limit - records.count
        after, count_before = records.after(), records.count
        records.begin()
        try:
            with client.stream("/events/export", {**parameters, "after": after, "limit": left}) as answer:
                for part in answer.iter_content(CHUNK_BYTES):
                    output.write(records.take(part))
                    meter.show(records.count, 0)
            break
        except UnavailableError as unavailable:
            raise ServiceError(f"{unavailable.message}\n{_interruption(records, resumable)}") from None
        except INTERRUPTIONS:
            if records.count > count_before:
                last_progress, attempt = time.monotonic(), 0
            if time.monotonic() - last_progress > client.patience:
                raise ServiceError(_interruption(records, resumable)) from None
            time.sleep(backoff(attempt))
            attempt += 1
    output.flush()
    return records.count


def _interruption(records: Records, resumable: bool) -> str:
    again = " The same command goes on from there." if resumable else ""
    return f"The export broke off after {records.count:,} events.{again}"


def _skip_whole_records(records: Records, output: BinaryIO) -> None:
    """Read the records that the file has already, and cut off an incomplete one at its end."""
    output.seek(0)
    whole = 0
    while part := output.read(CHUNK_BYTES):
        whole += len(records.take(part))
    output.truncate(whole)
    if records.count:
        click.echo(f"Going on behind {records.count:,} events.", err=True)


def _download_whole(client: Client, parameters: Mapping[str, Any], output: BinaryIO) -> None:
    """Download a body in one request: it can't be continued."""
    try:
        with client.stream("/events/export", parameters) as answer:
            for part in answer.iter_content(CHUNK_BYTES):
                output.write(part)
    except INTERRUPTIONS:
        raise ServiceError("The export broke off; a Parquet file can't be gone on with. Run it again.") from None
