"""Which files have the rows of which hours.

A file has rows of one source, of one or more hours. An hour's rows may be in several files: those read first, and what was added
since. Nothing is ever written to a file again, so a question goes on with the files that it found.
"""

from collections.abc import Iterable
from datetime import datetime
from threading import RLock
from typing import NamedTuple

from event_tracker.columns.loading.snapshot import Snapshot
from event_tracker.columns.loading.spans import Span

MAX_KNOWN = 4
"""Of one hour: concurrent questions may have snapshots of slightly different times."""


class Hour(NamedTuple):
    """The key of an hour's rows. After an erasure, or on another server, they are another's."""

    server: str
    source: str
    start: datetime
    end: datetime
    epoch: int


class HourRows(NamedTuple):
    """An hour's rows at some time.

    Attributes:
        events: what PostgreSQL counted; None while only the rows before `until` have been read.
        oldest: of the snapshot in which they were read (Snapshot.oldest).
        until: the hour's end if it was read as a whole.
    """

    events: int | None
    oldest: int
    until: datetime
    files: tuple[str, ...]


def hour_of(snapshot: Snapshot, span: Span) -> Hour:
    """The key of a span's rows."""
    return Hour(snapshot.server, span.source, span.start, span.end, span.epoch)


class Hours:
    """The index. It is kept in memory only; files that it doesn't list are deleted."""

    def __init__(self) -> None:
        self._known: dict[Hour, list[HourRows]] = {}
        self._inside: dict[str, set[Hour]] = {}
        self._lock = RLock()

    def find(self, hour: Hour, events: int) -> HourRows | None:
        """The rows of an hour when so many were counted."""
        with self._lock:
            return next((rows for rows in reversed(self._known.get(hour, ())) if rows.events == events), None)

    def newest(self, hour: Hour) -> HourRows | None:
        """The newest rows known of an hour, to which others may be added."""
        with self._lock:
            known = self._known.get(hour)
            return known[-1] if known else None

    def add(self, hour: Hour, rows: HourRows) -> None:
        """Add what was read."""
        with self._lock:
            known = self._known.setdefault(hour, [])
            known.append(rows)
            known.sort(key=lambda known: (known.until, known.events or 0))
            del known[:-MAX_KNOWN]
            for name in rows.files:
                self._inside.setdefault(name, set()).add(hour)

    def names(self) -> set[str]:
        """All files."""
        with self._lock:
            return set(self._inside)

    def inside(self, name: str) -> set[Hour]:
        """The hours whose rows a file has."""
        with self._lock:
            return set(self._inside.get(name, ()))

    def forget(self, names: Iterable[str]) -> None:
        """Forget files, and what can't be told without them."""
        gone = set(names)
        with self._lock:
            for name in gone:
                for hour in self._inside.pop(name, ()):
                    kept = [known for known in self._known.get(hour, ()) if name not in known.files]
                    self._known[hour] = kept
                    if not kept:
                        del self._known[hour]

    def erased(self, server: str, epochs: dict[tuple[str, datetime], int]) -> set[str]:
        """The files with rows of days whose epoch has moved, and those read from another server: who was erased there isn't known.

        Args:
            server: as Snapshot.server.
            epochs: of each source and day (UTC); those that aren't there have 0.
        """
        with self._lock:
            return {
                name
                for name, hours in self._inside.items()
                if any(
                    hour.server != server or hour.epoch < epochs.get((hour.source, _day(hour.start)), 0)
                    for hour in hours
                )
            }

    def unused(self) -> set[str]:
        """The files that no hour's rows are in any more."""
        with self._lock:
            used = {name for rows in self._known.values() for one in rows for name in one.files}
            return set(self._inside) - used


def _day(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)
