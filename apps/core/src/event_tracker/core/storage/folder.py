"""Files in a folder of this machine, or one that is mounted."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from event_tracker.core.storage.files import ListedFile, StorageError

ASIDE = ".writing"
"""The folder in which `put` writes a file before it renames it, which needs the same disk. Readers skip names that begin with a dot."""

MODE = 0o640
"""Of a file that `put` writes: its group may read it."""


class FolderStorage:
    """A `Storage` in a folder."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path(name).resolve()

    def list(self, paths: Iterable[str]) -> dict[str, ListedFile]:
        found: dict[str, ListedFile] = {}
        for path in paths:
            for file in (self.path / path).rglob("*") if path.endswith("/") else [self.path / path]:
                if file.is_file():
                    found[file.relative_to(self.path).as_posix()] = ListedFile(file.stat().st_size, None)
        return found

    def has(self, path: str) -> bool:
        return (self.path / path).is_file()

    def read(self, path: str) -> bytes | None:
        try:
            return (self.path / path).read_bytes()
        except FileNotFoundError:
            return None

    def fetch(self, path: str, file: Path) -> bool:
        try:
            shutil.copyfile(self.path / path, file)
        except FileNotFoundError:
            return False
        return True

    def put(self, path: str, content: bytes) -> None:
        aside, name = self.path / ASIDE, Path(path).name
        try:
            self._make_folder(aside)
            for left in aside.glob(f"{name}.*"):  # by a process that was killed
                left.unlink(missing_ok=True)
            with tempfile.NamedTemporaryFile(dir=aside, prefix=f"{name}.", delete=False) as file:
                file.write(content)
            written = Path(file.name)
            written.chmod(MODE)
            self.move(written, path)
        except OSError as error:
            raise StorageError(f"{self.path / path}: {error.strerror}", "folder") from None

    def move(self, file: Path, path: str) -> ListedFile:
        file_path = self.path / path
        self._make_folder(file_path.parent)
        _sync(file)
        moved = ListedFile(file.stat().st_size, None)
        file.replace(file_path)
        _sync(file_path.parent)
        return moved

    def delete(self, path: str) -> None:
        file_path = self.path / path
        file_path.unlink(missing_ok=True)
        if not any(file_path.parent.iterdir()):
            file_path.parent.rmdir()

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            for parent in folder.relative_to(self.path).parents:
                _sync(self.path / parent)


def _sync(path: Path) -> None:
    """Wait until a file, or which files are in a folder, is on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
