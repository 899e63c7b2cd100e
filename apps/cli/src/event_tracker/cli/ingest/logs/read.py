"""Reads a file of a log, as numbered entries."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import click
import msgspec

from event_tracker.cli.ingest.entries import (
    MAX_LINE_BYTES,
    Entry,
    EventLine,
    LeftOutLine,
    Reason,
    RefusedLine,
    Stream,
    numbered_lines,
    too_long,
)
from event_tracker.cli.ingest.logs.events import EventMaker
from event_tracker.cli.ingest.logs.formats import LOG_FORMATS, recognise
from event_tracker.cli.ingest.logs.kinds import NO_REQUEST
from event_tracker.cli.ingest.logs.options import LogOptions
from event_tracker.cli.ingest.logs.parsers.cloudfront import CloudFrontParser, field_name
from event_tracker.cli.ingest.logs.parsers.fields import LineError
from event_tracker.cli.ingest.logs.request import Request

W3C_HEADER = (b"#Version:", b"#Fields:", b"#Software:")


AHEAD = timedelta(minutes=5)
"""How far ahead of this clock a server's may be. A request that is later has a wrong time, which says nothing about how late logs are."""


class LogOptionsError(click.UsageError):
    """The options don't fit, whatever log is read: there is no secret, for example."""


class LogReader:
    """Reads logs, and makes events of their requests.

    Args:
        make_options: gives the options. It is called when the first log is read: files of events need none.

    Attributes:
        newest: the time of the newest request that was read, but for those that are in the future.
    """

    newest: datetime | None = None

    def __init__(self, make_options: Callable[[], LogOptions]) -> None:
        self._make_options = make_options

    def check(self) -> None:
        """Raise LogOptionsError now if the options don't fit."""
        self._maker  # noqa: B018

    @cached_property
    def _options(self) -> LogOptions:
        try:
            return self._make_options()
        except click.UsageError as error:
            raise LogOptionsError(error.message) from None

    @cached_property
    def _maker(self) -> EventMaker:
        try:
            return EventMaker(self._options)
        except (OSError, ValueError) as error:
            raise LogOptionsError(str(error)) from None

    def read(self, stream: Stream, name: str) -> Iterator[Entry]:
        """Read lines of a log.

        Args:
            name: of the format, as in LOG_FORMATS.

        Raises:
            LogOptionsError: if the options don't fit.
        """
        parse = LOG_FORMATS[name].make_parser(self._options.trusted_hops)
        for number, line in numbered_lines(stream):
            if len(line) > MAX_LINE_BYTES:
                yield too_long(number, line)
                continue
            try:
                request = parse(line)
            except LineError as error:
                yield RefusedLine(number, line, Reason("", "invalid_log_line", explain(str(error), line, name)))
                continue
            if request is not None:
                yield self._entry(number, line, request)
            elif not line.startswith(b"#"):
                yield LeftOutLine(number, NO_REQUEST)

    def read_rows(self, rows: Iterator[dict[str, Any]]) -> Iterator[Entry]:
        """Read rows of CloudFront's log in Parquet. Their numbers begin with 1.

        Raises:
            LogOptionsError: if the options don't fit.
        """
        parser = CloudFrontParser(self._options.trusted_hops)
        for number, row in enumerate(rows, 1):
            # Dates and times may have types of their own.
            texts = {
                name: value if isinstance(value, int | float | None) else str(value) for name, value in row.items()
            }
            original = msgspec.json.encode(texts)
            try:
                yield self._entry(number, original, parser.read_row(texts))
            except LineError as error:
                yield RefusedLine(number, original, Reason("", "invalid_log_line", str(error)))

    def _entry(self, number: int, original: bytes, request: Request) -> Entry:
        if (self.newest is None or request.time > self.newest) and request.time <= datetime.now(UTC) + AHEAD:
            self.newest = request.time
        kind, event = self._maker.make(request)
        return LeftOutLine(number, kind) if event is None else EventLine(number, event, original)


def has_log_columns(names: set[str]) -> bool:
    """Whether columns of Parquet are those of CloudFront's log."""
    return "cs-uri-stem" in map(field_name, names)


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
