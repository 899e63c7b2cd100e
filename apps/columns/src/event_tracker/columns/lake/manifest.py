"""What the lake says of itself: a manifest for each day and for the links, and a marker for all of it."""

from datetime import date, datetime
from typing import TypeVar
from uuid import UUID

import msgspec

SCHEMA = 1
"""Version of the files' columns and of the manifests. Files of another version are written again."""

MARKER = "_lake.json"
MANIFEST = "_manifest.json"
DATA_FILE = "part-0.parquet"
"""The name of the one file of a folder. It stays the same, so that a file is replaced at once, and nobody reads two of a day."""

LINKS, PERSONS = "links", "persons"


class SourceState(msgspec.Struct, frozen=True):
    """The state of a source's events of a day. Events in the same state are the same events.

    Attributes:
        counted: how many were ever counted.
        deleted: how many of them retention has deleted.
        epoch: how often some were deleted or changed.
    """

    source: str
    counted: int
    deleted: int
    epoch: int


class LinksState(msgspec.Struct, frozen=True):
    """The state of the links between ids: how many there are, and a number that changes with any of them."""

    links: int
    digest: str


class ManifestFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file beside its manifest.

    Attributes:
        etag: what S3 calls this content; none in a folder.
    """

    name: str
    rows: int
    bytes: int
    sha256: str
    etag: str | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a folder holds, and the state of the database that it was made from.

    Attributes:
        as_of: everything that was committed by then is in it.
        next: the manifest of the file that is being put in place of this one's, of a day with archived events: whatever is stopped when,
            one of the two names the file that is there.
    """

    schema: int
    database: str
    as_of: datetime
    made_from: tuple[SourceState, ...] | LinksState
    files: tuple[ManifestFile, ...]
    next: "Manifest | None" = None

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


class Marker(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of which database a lake is.

    Attributes:
        removed_as_of: the `as_of` of the last snapshot for which a day was removed: no manifest tells of that.
        lake_id: names the lake, if it has events that retention has deleted from the database.
    """

    schema: int
    database: str
    removed_as_of: datetime | None = None
    lake_id: UUID | None = msgspec.field(name="archive", default=None)


Kind = TypeVar("Kind", Manifest, Marker)


def decode(kind: type[Kind], data: bytes | None) -> Kind | None:
    """A manifest or marker; None if there is none, or it can't be read."""
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def encode(value: Manifest | Marker) -> bytes:
    """Its JSON, for people to read, too."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def folder_of(day: date) -> str:
    """The folder of a day, as Hive, Spark, DuckDB and others name partitions."""
    return f"events/day={day.isoformat()}"


def day_of(path: str) -> date | None:
    """The day whose folder a path is in, if it is one."""
    parts = path.split("/")
    if len(parts) < 3 or parts[0] != "events" or not parts[1].startswith("day="):
        return None
    try:
        return date.fromisoformat(parts[1].removeprefix("day="))
    except ValueError:
        return None


def is_data_file(path: str) -> bool:
    """Whether a path is exactly that of a file that an export writes: of a day, of the links or of the persons."""
    folder, _, name = path.rpartition("/")
    day = day_of(path)
    return name == DATA_FILE and (folder in (LINKS, PERSONS) or (day is not None and folder == folder_of(day)))
