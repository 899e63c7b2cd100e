"""Retention that deletes only what the lake has (`tracker maintain --archive-first`), a whole day of a source at a time.

Retention marks (`retention_marks`) are set first, so that no late event is stored any more. Then the lake's files are compared with the
database. Each transaction that deletes keeps erasures out, compares the counters with the lake's manifest once more, and then the number
of deleted rows with the counters.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any, Protocol, cast

import psycopg

from event_tracker.cli.database.partitions import DEFAULT_PARTITION, Month
from event_tracker.cli.database.retention.parts import Limits, Part

DAY = timedelta(days=1)


class NotArchivedError(Exception):
    """The lake hasn't the events of a day, or others than the database, so they aren't deleted."""

    def __init__(self, day: date, why: str) -> None:
        super().__init__(f"{day}: {why}")


class Archive(Protocol):
    """`event_tracker.cli.lake.archive.LakeArchive`: a lake whose files stay as they are while it is open."""

    def erase(self, say: Callable[[str], None]) -> Any:
        """Take erased people out of files of events that were archived before."""

    def find_sources(self, start: date, end: date) -> dict[date, list[str]]:
        """The sources that have events in the database, by day in [start, end)."""

    def check(self, day: date, sources: Collection[str]) -> None:
        """Make sure that the lake has a day's events of these sources. It raises NotArchivedError otherwise."""

    def record(self, day: date, sources: Collection[str]) -> int:
        """Record, in the transaction that deletes them, that only the lake has these events. Returns how many these are.

        It raises NotArchivedError if they have changed since `check`.
        """


class ArchiveFirst:
    """What may be deleted, since the lake has it.

    Attributes:
        problems: why some days' events stay.
    """

    def __init__(self, archive: Archive, limits: Limits) -> None:
        self._archive = archive
        self._limits = limits
        self.problems: list[str] = []

    def check(self, part: Part) -> Part | None:
        """The part without the days that the lake hasn't got, or has otherwise; None if nothing is left of it.

        A month that is to be dropped stays whole if it has such a day.
        """
        missing: set[date] = set()
        for day, sources in self._find(part):
            try:
                self._archive.check(day, sources)
            except NotArchivedError as error:
                self.problems.append(str(error))
                missing.add(day)
        if not missing:
            return part
        left = [(day, rows) for day, rows in part.days or [] if day.date() not in missing]
        return part._replace(days=left, rows=sum(rows for _, rows in left)) if left else None

    def record(self, part: Part, days: list[datetime] | None = None) -> int:
        """Record what is being deleted of a part, in its transaction: some days, or the whole month. Returns how many events that is.

        Raises:
            NotArchivedError: if the lake hasn't got them.
        """
        wanted = None if days is None else {day.date() for day in days}
        return sum(
            self._archive.record(day, sources) for day, sources in self._find(part) if wanted is None or day in wanted
        )

    def _find(self, part: Part) -> Iterator[tuple[date, list[str]]]:
        """The days of a part, each with the sources whose events are too old."""
        if part.days is None:
            month = Month.of(part.name)
            yield from self._archive.find_sources(_date(month), _date(month.plus(1))).items()
            return
        for day, _ in part.days:
            stored = self._archive.find_sources(day.date(), day.date() + DAY).get(day.date(), [])
            is_monthly = part.name != DEFAULT_PARTITION
            old = [source for source in stored if self._limits.is_old(source, day, monthly=is_monthly)]
            if old:
                yield day.date(), old


def check_deleted(day: datetime | str, deleted: int, recorded: int) -> None:
    """Compare the rows that are deleted with the events that the lake has.

    Raises:
        NotArchivedError: if these are not as many.
    """
    if deleted != recorded:
        start = day if isinstance(day, datetime) else datetime.fromisoformat(day)
        raise NotArchivedError(
            start.astimezone(UTC).date(), f"{deleted:,} events are stored from here on, and {recorded:,} were counted"
        )


def _date(month: Month) -> date:
    return date(month.year, month.month, 1)


def open_archive(connection: psycopg.Connection, target: str) -> AbstractContextManager[Archive]:
    """Open a lake on a connection of the database's owner. Its module is imported only here.

    Args:
        target: a folder, or `s3://bucket/prefix`.
    """
    module = import_module("event_tracker.cli.lake.archive")
    return cast(AbstractContextManager[Archive], module.open_archive(connection, target))
