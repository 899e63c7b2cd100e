"""Opens a storage by its name."""

from event_tracker.core.storage.bucket import BucketStorage
from event_tracker.core.storage.files import Storage
from event_tracker.core.storage.folder import FolderStorage


def open_storage(name: str, *, attempts: int, connect_seconds: int = 5, read_seconds: int = 60) -> Storage:
    """A folder, or `s3://bucket/prefix` with the arguments of `BucketStorage`.

    Raises:
        ValueError: if the bucket can't be used.
    """
    if name.startswith("s3://"):
        return BucketStorage(name, attempts=attempts, connect_seconds=connect_seconds, read_seconds=read_seconds)
    return FolderStorage(name)
