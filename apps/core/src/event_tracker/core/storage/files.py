"""What is the same in a folder and in a bucket."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol


class StorageError(OSError):
    """A storage refused or failed. Trying again may help, at once or after a person has repaired something.

    Attributes:
        kind: a word for the metric.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class ListedFile(NamedTuple):
    """A file as a listing shows it.

    Attributes:
        etag: what S3 calls its content; None in a folder.
    """

    bytes: int
    etag: str | None


class Storage(Protocol):
    """Files with paths that are relative to it, with slashes. All methods but `has` raise OSError if the storage fails.

    Attributes:
        name: as it was given.
    """

    name: str

    def list(self, paths: Iterable[str]) -> dict[str, ListedFile]:
        """The files below each path that ends with a slash, and each other path if there is such a file."""

    def has(self, path: str) -> bool:
        """Whether there is such a file; False if that can't be known."""

    def read(self, path: str) -> bytes | None:
        """A small file's content; None if there is none."""

    def fetch(self, path: str, file: Path) -> bool:
        """Copy a file to this machine. False if there is none."""

    def put(self, path: str, content: bytes) -> None:
        """Write a file, all at once: whoever reads sees the former content or this one. It is safe when this returns.

        Raises:
            StorageError: if it can't be written.
        """

    def move(self, file: Path, path: str) -> ListedFile:
        """Move a file of this machine there, as `put` does. Into a folder it must come from the same disk."""

    def delete(self, path: str) -> None:
        """Delete a file, and the folder if it is empty."""
