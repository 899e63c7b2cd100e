"""Which days an export or a comparison looks at, and what it makes of what a manifest says."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

import click

from event_tracker.cli.lake.event_database import FIRST, LAST, DayState, EventDatabase
from event_tracker.cli.lake.opening import list_files
from event_tracker.columns.lake.manifest import (
    DATA_FILE,
    MARKER,
    SCHEMA,
    LinksState,
    Manifest,
    Marker,
    day_of,
    decode,
)
from event_tracker.core.storage.files import ListedFile, Storage

Listing = Mapping[str, ListedFile]


class Range(NamedTuple):
    """The days in [start, end). Those from `open_from` on aren't over: only those of them are exported that were before."""

    start: date
    end: date
    open_from: date

    def has(self, day: date) -> bool:
        """Whether a day is one of them, over or not."""
        return self.start <= day < self.end


def check_marker(database: EventDatabase, lake: Storage, *, is_again: bool) -> None:
    """Check that the lake is new or of this database. Changes nothing.

    Raises:
        ClickException: if it isn't, or may not be, unless it is to be written again.
    """
    if is_again:
        return
    data = lake.read(MARKER)
    marker = decode(Marker, data)
    if data is None and not any(day_of(path) for path in list_files(lake)):
        return
    if data is None:
        raise click.ClickException(
            f"{lake.name} has days, and no {MARKER} that says of which database they are: --again writes every day again"
        )
    if marker is None or marker.database != database.database_id:
        raise click.ClickException(
            f"{lake.name} holds the events of another database, or of this one before it was restored: "
            "--again writes every day again"
        )


def find_archived(database: EventDatabase, lake: Storage, marker: Marker | None) -> None:
    """Find out whether the lake has the events that retention has deleted from the database, and tell the database so.

    Raises:
        ClickException: if it has such events of which the database doesn't know, or may have some.
    """
    known = database.read_lake_id()
    if marker is None and known is not None and any(day_of(path) for path in list_files(lake)):
        raise click.ClickException(
            f"{lake.name} has days, and no {MARKER} that says whether they are the only copies of archived events: "
            f'if they are, write one with "archive": "{known}"'
        )
    said = marker.lake_id if marker is not None else None
    if said is not None and said != known:
        raise click.ClickException(
            f"{lake.name} has archived events of which this database doesn't know, since it was restored or is another one: "
            "`tracker maintain --archive-first` lets it know of them if it has archived none itself"
        )
    database.lake_has_archived = said is not None


def plan(database: EventDatabase, listing: Listing, days: Range) -> Iterator[tuple[date, DayState]]:
    """The days to look at, each with its state: those of the range that are over, and all that the lake has, so that an erasure reaches
    them whatever the range is."""
    states = database.read_days(FIRST, LAST)
    in_lake = {day for path in listing if (day := day_of(path)) is not None}
    over = {day for day in states if days.has(day) and day < days.open_from}
    for day in sorted(over | in_lake):
        yield day, states.get(day, ())


def is_current(
    manifest: Manifest | None, state: DayState | LinksState, database_id: str, folder: str, listing: Listing
) -> bool:
    """Whether a folder was made from this state, and its files are those that its manifest names."""
    if manifest is None or (manifest.schema, manifest.database, manifest.made_from) != (SCHEMA, database_id, state):
        return False
    if manifest.next is not None:
        return False
    return [file.name for file in manifest.files] == [DATA_FILE] and all(
        listing.get(f"{folder}/{file.name}") == ListedFile(file.bytes, file.etag) for file in manifest.files
    )


def is_behind(state: DayState, epochs: Mapping[str, int], manifest: Manifest | None, database_id: str) -> bool:
    """Whether a day's file was made from a later state of the database, so that this one is a standby that lags, or was restored.

    Epochs only grow, and so do counts within one. Whatever takes a source's last events moves its epoch; so a source that has none, and
    whose epoch isn't greater than the manifest's, hasn't got them yet, or has lost them.
    """
    if manifest is None or manifest.database != database_id or isinstance(manifest.made_from, LinksState):
        return False
    now = {source: (epoch, 0) for source, epoch in epochs.items()}
    now |= {source.source: (source.epoch, source.counted) for source in state}
    return any(now.get(source.source, (0, 0)) < (source.epoch, source.counted) for source in manifest.made_from)
