"""Fetches a day's file that has events which are nowhere else, with the manifest that names it."""

from hashlib import sha256
from pathlib import Path

import msgspec

from event_tracker.columns.lake.manifest import DATA_FILE, MANIFEST, SCHEMA, Manifest, decode
from event_tracker.core.storage.files import Storage

READ_BYTES = 2**20


class LakeFileError(Exception):
    """A file of the lake with archived events is missing, or isn't the one that its manifest names."""


def fetch_archived(lake: Storage, folder: str, file: Path) -> Manifest:
    """Copy a folder's file to `file`, and make sure that it is what was written there.

    Returns:
        Its manifest. A run that was stopped may have left that of the file before, with that of this one as its `next`.

    Raises:
        LakeFileError: if it can't be read, or has another SHA-256.
        OSError: of the lake.
    """
    manifest = decode(Manifest, lake.read(f"{folder}/{MANIFEST}"))
    if manifest is None or manifest.schema != SCHEMA:
        raise LakeFileError("its manifest is missing, or can't be read")
    if not lake.fetch(f"{folder}/{DATA_FILE}", file):
        raise LakeFileError(f"{DATA_FILE} is missing")
    digest = hash_file(file)
    for said in (manifest, manifest.next):
        if said is not None and [one.sha256 for one in said.files] == [digest]:
            return msgspec.structs.replace(said, next=None)
    raise LakeFileError(f"{DATA_FILE} has another SHA-256 than in the manifest")


def hash_file(file: Path) -> str:
    """Its SHA-256, in hexadecimal digits."""
    digest = sha256()
    with file.open("rb") as content:
        while data := content.read(READ_BYTES):
            digest.update(data)
    return digest.hexdigest()
