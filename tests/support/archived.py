"""What an archive has written, read back."""

import csv
import gzip
import io
import json
from collections import Counter
from pathlib import Path

import duckdb
from backports import zstd
from waiting import eventually

Place = tuple[int, int]
"""A record's partition and offset."""


def read_file(name: str, content: bytes) -> list[dict[str, object]]:
    """The lines of a file, by its name."""
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    if name.endswith(".zst"):
        content = zstd.decompress(content)
    if ".csv" in name:
        rows = csv.DictReader(io.StringIO(content.decode()))
        return [{**row, "partition": int(row["partition"]), "offset": int(row["offset"])} for row in rows]
    return [json.loads(line) for line in content.splitlines()]


def read_parquet(file: Path) -> list[dict[str, object]]:
    """The rows of a Parquet file."""
    rows = duckdb.sql("select * from read_parquet($file)", params={"file": str(file)})
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]


def read_folder(folder: Path) -> dict[str, list[dict[str, object]]]:
    """The lines of each file of an archive, by its path."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and ".writing" not in path.parts]
    return {
        str(path.relative_to(folder)): read_parquet(path)
        if path.suffix == ".parquet"
        else read_file(path.name, path.read_bytes())
        for path in files
    }


def check_archive(files: dict[str, list[dict[str, object]]], ends: dict[int, int]) -> None:
    """Each record is in exactly one file, and each file has the records that its name says."""
    places: Counter[Place] = Counter()
    for name, lines in files.items():
        found = [(int(str(line["partition"])), int(str(line["offset"]))) for line in lines]
        partition, first, last = _named(name)
        assert found == [(partition, offset) for offset in range(first, last + 1)], name
        places.update(found)
    assert [place for place, times in places.items() if times > 1] == []
    assert places.keys() == {(partition, offset) for partition, end in ends.items() for offset in range(end)}


def _named(name: str) -> tuple[int, int, int]:
    """Partition, first and last offset, as a file's name has them."""
    stem = name.rpartition("/")[2]
    for ending in (".gz", ".zst", ".ndjson", ".csv", ".parquet"):
        stem = stem.removesuffix(ending)
    partition, first, last = stem.split("-")[-3:]
    return int(partition), int(first), int(last)


def wait_archived(folder: Path, number: int) -> None:
    """Wait until the files have so many records or more."""
    assert eventually(lambda: count(folder) >= number, 120), f"{count(folder)} records in files, not {number}"


def count(folder: Path) -> int:
    """How many records the files have, by their names."""
    named = [
        _named(path.name)
        for path in folder.rglob("*")
        if path.is_file() and ".writing" not in path.parts and "-" in path.name
    ]
    return sum(last - first + 1 for _, first, last in named)
