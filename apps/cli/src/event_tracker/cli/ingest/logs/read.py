"""Reads a file of a log, as numbered entries."""

from collections.abc import Iterator
from typing import Any

import msgspec

from event_tracker.cli.ingest.entries import (
    MAX_LINE_BYTES,
    Entry,
    LeftOut,
    Line,
    Reason,
    Stream,
    Unreadable,
    numbered_lines,
    too_long,
)
from event_tracker.cli.ingest.logs.events import make_event
from event_tracker.cli.ingest.logs.formats import LOG_FORMATS, recognise
from event_tracker.cli.ingest.logs.parsers.cloudfront import CloudFrontParser, field_name
from event_tracker.cli.ingest.logs.parsers.fields import LineError
from event_tracker.cli.ingest.logs.request import Request

W3C_HEADER = (b"#Version:", b"#Fields:", b"#Software:")


def read_log(stream: Stream, name: str, trusted_hops: int = 0) -> Iterator[Entry]:
    """Read lines of a log.

    Args:
        name: of the format, as in LOG_FORMATS.
        trusted_hops: how many of a request's addresses, counted from the right, are of trusted proxies.
    """
    parse = LOG_FORMATS[name].make_parser(trusted_hops)
    for number, line in numbered_lines(stream):
        if len(line) > MAX_LINE_BYTES:
            yield too_long(number, line)
            continue
        try:
            request = parse(line)
        except LineError as error:
            yield Unreadable(number, line, Reason("", "invalid_log_line", explain(str(error), line, name)))
            continue
        if request is not None:
            yield _entry(number, line, request)
        elif not line.startswith(b"#"):
            yield LeftOut(number)


def has_log_columns(names: set[str]) -> bool:
    """Whether columns of Parquet are those of CloudFront's log."""
    return "cs-uri-stem" in map(field_name, names)


def read_log_rows(rows: Iterator[dict[str, Any]], trusted_hops: int) -> Iterator[Entry]:
    """Read rows of CloudFront's log in Parquet. Their numbers begin with 1."""
    parser = CloudFrontParser(trusted_hops)
    for number, row in enumerate(rows, 1):
        # Dates and times may have types of their own.
        texts = {name: value if isinstance(value, int | float | None) else str(value) for name, value in row.items()}
        original = msgspec.json.encode(texts)
        try:
            yield _entry(number, original, parser.read_row(texts))
        except LineError as error:
            yield Unreadable(number, original, Reason("", "invalid_log_line", str(error)))


def _entry(number: int, original: bytes, request: Request) -> Entry:
    event = make_event(request)
    return LeftOut(number) if event is None else Line(number, msgspec.json.encode(event), original)


def explain(error: str, line: bytes, name: str | None = None) -> str:
    """The error, with the format that the line seems to be of, if that is another one than `name`."""
    likely = recognise(line)
    if likely is not None and likely != name:
        title = LOG_FORMATS[likely].title
        subject = "the header of" if line.startswith(b"#") else "a line of"
        return f"{error} It looks like {subject} {title}: --format {likely}."
    if line.startswith(W3C_HEADER) and likely is None:
        return f"{error} It looks like the header of a W3C log: --format cloudfront or --format iis."
    return error
