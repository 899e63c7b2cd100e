"""Writes a folder of the lake: its file, and the manifest of that."""

from datetime import datetime
from pathlib import Path

import msgspec

from event_tracker.cli.lake.event_database import DayState, EventDatabase
from event_tracker.cli.lake.plan import Listing
from event_tracker.columns.lake.archived_file import hash_file
from event_tracker.columns.lake.manifest import (
    DATA_FILE,
    MANIFEST,
    SCHEMA,
    LinksState,
    Manifest,
    ManifestFile,
    decode,
    encode,
)
from event_tracker.core.storage.files import Storage


class FolderWriter:
    """Puts files in their places, while this holds the lock of exporters.

    Args:
        work: the lake's work folder.
    """

    def __init__(self, database: EventDatabase, lake: Storage, work: Path) -> None:
        self._database = database
        self._lake = lake
        self._work = work

    def read(self, folder: str, listing: Listing) -> Manifest | None:
        """A folder's manifest; None if there is none."""
        path = f"{folder}/{MANIFEST}"
        return decode(Manifest, self._lake.read(path)) if path in listing else None

    def write(
        self,
        folder: str,
        parquet: Path,
        rows: int,
        as_of: datetime,
        state: DayState | LinksState,
        former: Manifest | None = None,
    ) -> int:
        """Put a file in its place, then its manifest.

        Args:
            former: of the file before, if that has events that are nowhere else: it then names the new file first.

        Returns:
            The file's bytes.
        """
        said = ManifestFile(DATA_FILE, rows, parquet.stat().st_size, hash_file(parquet))
        manifest = Manifest(
            schema=SCHEMA, database=self._database.database_id, as_of=as_of, made_from=state, files=(said,)
        )
        if former is not None:
            self.put(encode(msgspec.structs.replace(former, next=manifest)), f"{folder}/{MANIFEST}")
        # Without the lock another exporter may have put a newer file there.
        self._database.check_lock()
        stored = self._lake.move(parquet, f"{folder}/{DATA_FILE}")
        files = (msgspec.structs.replace(said, etag=stored.etag),)
        self.put(encode(msgspec.structs.replace(manifest, files=files)), f"{folder}/{MANIFEST}")
        return stored.bytes

    def put(self, data: bytes, path: str) -> None:
        """Write a small file."""
        file = self._work / Path(path).name
        file.write_bytes(data)
        self._database.check_lock()
        self._lake.move(file, path)
