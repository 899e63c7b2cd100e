"""What a question reads, on the local disk."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from event_tracker.columns.loading.archived.archived_days import ArchivedDay
from event_tracker.columns.loading.archived.reader import ArchivedFile
from event_tracker.columns.loading.identity.persons import Persons
from event_tracker.columns.loading.identity.shared_tables import SharedTable
from event_tracker.columns.loading.snapshot import Snapshot
from event_tracker.columns.loading.spans import Span


class Loaded(NamedTuple):
    """What a question reads, on the local disk.

    Attributes:
        files: those with blocks or rows of each span.
        fingerprint: of all that is read: the same with the same events and links.
        persons: of ids that have one; None if nobody has two ids, or that wasn't asked for.
        users: the tables of the users first seen in the range by all sources, if that was asked for.
        blocks_fetched, rows_read: what wasn't on the local disk before.
        archived: the files of days that only the lake has.
    """

    snapshot: Snapshot
    files: dict[Span, tuple[str, ...]]
    fingerprint: bytes = b""
    persons: Persons | None = None
    users: list[SharedTable] | None = None
    blocks_fetched: int = 0
    rows_read: int = 0
    archived: Mapping[ArchivedDay, tuple[ArchivedFile, ...]] = MappingProxyType({})

    @property
    def path(self) -> str:
        """Where the events were: `blocks`, `rows`, `lake`, `mixed`, or `none` if there are no events."""
        kinds = {"rows" if span.id is None else "blocks" for span in self.files} | {"lake" for _ in self.archived}
        return "mixed" if len(kinds) > 1 else next(iter(kinds), "none")
