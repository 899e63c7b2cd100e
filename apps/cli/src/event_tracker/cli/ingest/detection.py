"""Finds the format of a file: its name tells what is expected, and its first lines decide."""

import csv
import io
from collections.abc import Iterator
from pathlib import PurePath
from typing import NamedTuple

import click
import msgspec

from event_tracker.cli.ingest.compression import READ_ERRORS
from event_tracker.cli.ingest.compression import SUFFIXES as COMPRESSED
from event_tracker.cli.ingest.entries import BYTE_ORDER_MARK, JSON_ERRORS, Entry, Stream
from event_tracker.cli.ingest.logs.formats import LOG_FORMATS, recognise
from event_tracker.cli.ingest.logs.read import LogReader
from event_tracker.cli.ingest.readers import EVENT_READERS, REQUIRED, read_parquet

FORMATS = (*EVENT_READERS, "parquet", *LOG_FORMATS)
"""The names that `--format` takes, beside `auto`."""

SUFFIXES = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
    ".parquet": "parquet",
    ".log": "combined",
}

EMPTY = "ndjson"
"""What an empty file is read as: in any format it has no events."""

PARQUET = b"PAR1"
MAX_LINES, MAX_BYTES = 20, 64 * 1024
"""How much of a file is looked at. A log may begin with a line that broke off, or with a header."""


class DetectedFormat(NamedTuple):
    """The format of a file, and its content from the start.

    Attributes:
        is_expected: whether the name tells the same.
    """

    format: str
    stream: Stream
    is_expected: bool = True


class _Replayed(io.BufferedIOBase):
    """A stream of which the first bytes were read already, perhaps up to an error, which then comes again behind them."""

    def __init__(self, start: bytes, stream: Stream, error: Exception | None = None) -> None:
        self._start, self._stream, self._error = io.BytesIO(start), stream, error

    def readline(self, size: int | None = -1, /) -> bytes:
        most = -1 if size is None else size
        line = self._start.readline(most)
        if line.endswith(b"\n") or len(line) == most:
            return line
        if self._error is not None:
            raise self._error
        return line + self._stream.readline(most - len(line) if most >= 0 else -1)


def expected_format(name: str) -> str | None:
    """The format that a file's name tells; None if it tells none. `access.log.2.gz` is a rotated `access.log`."""
    if name == "-":
        return "ndjson"
    path = PurePath(name)
    if path.suffix.lower() in COMPRESSED:
        path = path.with_suffix("")
    while path.suffix and path.suffix[1:].replace("-", "").isdigit():
        path = path.with_suffix("")
    return SUFFIXES.get(path.suffix.lower())


def find_format(name: str, stream: Stream) -> DetectedFormat:
    """Find the format of a file by its name and its content.

    Raises:
        UsageError: if neither tells it.
    """
    expected = expected_format(name)
    if is_parquet(stream):
        return DetectedFormat("parquet", stream, is_expected=expected in (None, "parquet"))
    if expected in ("csv", "parquet"):
        return DetectedFormat(expected, stream)
    read = b""
    content = None
    failure: Exception | None = None
    for _ in range(MAX_LINES):
        try:
            line = stream.readline(MAX_BYTES)
        except READ_ERRORS as error:
            failure = error
            break
        is_first = not read.removeprefix(BYTE_ORDER_MARK).strip()
        read += line
        content = _format_of_line(line.removeprefix(BYTE_ORDER_MARK).strip(), is_first=is_first)
        if content is not None or not line or len(read) >= MAX_BYTES:
            break
    if failure is not None and not read:
        raise failure
    found = content or expected or (None if read.strip() else EMPTY)
    if found is None:
        title = PurePath(name).name
        raise click.UsageError(f"The content of {title} doesn't tell its format: add --format {'|'.join(FORMATS)}.")
    return DetectedFormat(found, _Replayed(read, stream, failure), is_expected=found == expected or not read.strip())


def is_parquet(stream: Stream) -> bool:
    """Whether it begins as Parquet does. Such a file isn't compressed as a whole, so it comes as it is opened."""
    return isinstance(stream, io.BufferedReader) and stream.peek(len(PARQUET)).startswith(PARQUET)


def _format_of_line(line: bytes, *, is_first: bool) -> str | None:
    """The format that a line is of. Visitors choose texts within a log's lines, so no text that merely occurs in a line counts.

    Args:
        is_first: whether it is the first line with content, which a header of CSV or a JSON array begins with.
    """
    members = _members(line)
    if "event_type" in members:
        return "ndjson"
    if log := recognise(line):
        return log
    if "user_id" in members or (is_first and line.startswith(b"[")):
        return "ndjson"  # its reader says what to do with an array
    return "csv" if is_first and is_csv_header(line) else None


def _members(line: bytes) -> dict[str, msgspec.Raw]:
    """The members of a JSON object; none if it isn't one."""
    if not line.startswith(b"{"):
        return {}
    try:
        return msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except JSON_ERRORS:
        return {}


def is_csv_header(line: bytes) -> bool:
    """Whether its cells name the columns that events need."""
    try:
        cells = next(csv.reader([line.decode(errors="replace")]), [])
    except csv.Error:
        return False
    return {cell.strip() for cell in cells} >= REQUIRED


def read_entries(format_: str, stream: Stream, logs: LogReader) -> Iterator[Entry]:
    """Read a file of this format."""
    if format_ == "parquet" or (format_ == "cloudfront" and is_parquet(stream)):
        return read_parquet(stream, logs)
    if format_ in EVENT_READERS:
        return EVENT_READERS[format_](stream)
    return logs.read(stream, format_)
