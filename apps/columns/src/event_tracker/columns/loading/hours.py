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

MAX_VERSIONS = 4
"""Of one hour: concurrent questions may have snapshots of slightly different times."""


class Hour(NamedTuple):
    """The key of an hour's rows. After an erasure, or on another server, they are another's."""

    server: str
    source: str
    start: datetime
    end: datetime
    epoch: int


class Version(NamedTuple):
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
        self._versions: dict[Hour, list[Version]] = {}
        self._inside: dict[str, set[Hour]] = {}
        self._lock = RLock()

    def find(self, hour: Hour, events: int) -> Version | None:
        """The rows of an hour when so many were counted."""
        with self._lock:
            return next((known for known in reversed(self._versions.get(hour, ())) if known.events == events), None)

    def newest(self, hour: Hour) -> Version | None:
        """The newest rows known of an hour, to which others may be added."""
        with self._lock:
            versions = self._versions.get(hour)
            return versions[-1] if versions else None

    def add(self, hour: Hour, version: Version) -> None:
        """Add what was read."""
        with self._lock:
            versions = self._versions.setdefault(hour, [])
            versions.append(version)
            versions.sort(key=lambda known: (known.until, known.events or 0))
            del versions[:-MAX_VERSIONS]
            for name in version.files:
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
                    kept = [known for known in self._versions.get(hour, ()) if name not in known.files]
                    self._versions[hour] = kept
                    if not kept:
                        del self._versions[hour]

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
        """The files that no version has any more."""
        with self._lock:
            used = {name for versions in self._versions.values() for version in versions for name in version.files}
            return set(self._inside) - used


def _day(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)
