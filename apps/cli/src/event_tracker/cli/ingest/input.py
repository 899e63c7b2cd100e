"""Reads files one after the other, as lines with identities, in batches that may go across files."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from io import BufferedReader
from typing import IO, Any, NamedTuple, cast

import click

from event_tracker.cli.ingest.compression import READ_ERRORS, decompressed
from event_tracker.cli.ingest.delivery import MAX_BYTES
from event_tracker.cli.ingest.detection import find_format, read_entries
from event_tracker.cli.ingest.entries import Entry, EventLine
from event_tracker.cli.ingest.event_ids import EventIdMaker
from event_tracker.cli.ingest.files import STANDARD_INPUT
from event_tracker.cli.ingest.logs.formats import LOG_FORMATS
from event_tracker.cli.ingest.logs.read import LogOptionsError, LogReader

AUTO = "auto"


class Item(NamedTuple):
    """An entry, and the file that it is in."""

    file: str
    entry: Entry


def open_local(file: str) -> AbstractContextManager[IO[Any]]:
    """Open a file of this machine; `-` is standard input."""
    return click.open_file(file, "rb")


class Input:
    """The files that are sent.

    Args:
        files: their names; `-` is standard input.
        format_: a format's name, or `auto`.
        identifier: gives lines their identities.
        logs: reads those files that are logs.
        open_: opens a file by its name.

    Attributes:
        unreadable: how many files couldn't be read, or not to their end.
    """

    def __init__(
        self,
        files: list[str],
        format_: str,
        identifier: EventIdMaker,
        logs: LogReader,
        open_: Callable[[str], AbstractContextManager[IO[Any]]] = open_local,
    ) -> None:
        self.files, self.format = files, format_
        self._identifier, self._logs, self._open = identifier, logs, open_
        self.unreadable = 0
        self._announced: set[str] = set()
        self._done_bytes = 0
        self._raw: BufferedReader | None = None

    def batches(self, most: int) -> Iterator[list[Item]]:
        """The lines of all files, in lists of up to `most`, each of which fits into a request.

        Raises:
            UsageError, or one of READ_ERRORS: if the only file can't be read. Of several, one that can't be read is told and passed over.
            LogOptionsError: if the options don't fit a log.
        """
        return _group((item for file in self.files for item in self._items(file, most)), most)

    def position(self) -> int:
        """How many bytes of the files were read. Of a pipe it isn't known: 0."""
        return self._done_bytes + (self._raw.tell() if self._raw is not None and self._raw.seekable() else 0)

    def batches_of(self, file: str, most: int) -> Iterator[list[Item]]:
        """The same of one file, whatever the others are.

        Raises:
            UsageError, or one of READ_ERRORS: if it can't be read.
        """
        return _group(self._items_of(file, most), most)

    def _items(self, file: str, most: int) -> Iterator[Item]:
        try:
            yield from self._items_of(file, most)
        except LogOptionsError:
            raise
        except (click.UsageError, *READ_ERRORS) as error:
            if len(self.files) == 1:
                raise
            self.unreadable += 1
            why = error.message if isinstance(error, click.UsageError) else str(error)
            click.echo(f"Error: {file}: {why}", err=True)

    def _items_of(self, file: str, most: int) -> Iterator[Item]:
        with self._open(file) as opened:
            self._identifier.begin_file()
            self._raw = cast(BufferedReader, opened)
            try:
                for some in _in_lists(self._entries(file, self._raw), most):
                    for entry in self._identifier.identify(some):
                        yield Item(file, entry)
            finally:
                self._done_bytes, self._raw = self.position(), None

    def _entries(self, file: str, raw: BufferedReader) -> Iterator[Entry]:
        stream = decompressed(raw)
        if self.format != AUTO:
            return read_entries(self.format, stream, self._logs)
        found = find_format(file, stream)
        if not found.is_expected and found.format not in self._announced:
            self._announced.add(found.format)
            title = LOG_FORMATS[found.format].title if found.format in LOG_FORMATS else found.format
            name = "Standard input" if file == STANDARD_INPUT else file
            click.echo(f"{name} is read as {title} (--format {found.format}).", err=True)
        return read_entries(found.format, found.stream, self._logs)


def _in_lists(entries: Iterable[Entry], most: int) -> Iterator[list[Entry]]:
    """Lists of up to `most` entries. Those that were read before an error come before it."""
    some: list[Entry] = []
    try:
        for entry in entries:
            some.append(entry)
            if len(some) == most:
                yield some
                some = []
    except READ_ERRORS:
        if some:
            yield some
        raise
    if some:
        yield some


def _group(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    """Batches, each of which fits into a request. Those that were read before an error come before it."""
    batch: list[Item] = []
    size = 0
    try:
        for item in items:
            added = len(item.entry.event) + 1 if isinstance(item.entry, EventLine) else 0
            if batch and size + added > MAX_BYTES:
                yield batch
                batch, size = [], 0
            batch.append(item)
            size += added
            if len(batch) == most:
                yield batch
                batch, size = [], 0
    except READ_ERRORS:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
