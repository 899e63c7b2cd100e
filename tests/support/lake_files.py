"""What is in the files of a lake: every byte, and every value, also where compression hides it."""

import json
from pathlib import Path
from typing import Any

import duckdb


def tree(folder: Path) -> dict[str, bytes]:
    """All files, with their content."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def files_with(folder: Path, *texts: str) -> list[str]:
    """The files that have one of these texts: among their bytes, in a value of Parquet, or in what Parquet says of its columns."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += _values(path)
        if any(text.encode() in content for text in texts):
            found.append(path.relative_to(folder).as_posix())
    return found


def manifest(folder: Path, day: str) -> dict[str, Any]:
    """A day's manifest."""
    return json.loads((folder / f"events/day={day}/_manifest.json").read_bytes())  # type: ignore[no-any-return]


def rows(folder: Path, columns: str = "*") -> list[Any]:
    """All events of a lake, by day, in the order of the files."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        files = sorted(map(str, folder.glob("events/*/*.parquet")))
        if not files:
            return []
        return connection.execute(f"select {columns} from read_parquet($files)", {"files": files}).fetchall()


def _values(path: Path) -> bytes:
    with duckdb.connect() as connection:
        given = {"file": str(path)}
        values = connection.execute("select * from read_parquet($file)", given).fetchall()
        described = connection.execute("select * from parquet_metadata($file)", given).fetchall()
    return repr((values, described)).encode()
