"""What was read already: a file of SQLite. It only saves reading again. Without it, or with an old one, nothing is stored twice."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

MAX_TRIES = 3
"""How often an object that can't be read is tried, in one listing after the other, before it is passed over."""


@dataclass
class Result:
    """The outcome of an object.

    Attributes:
        newest: the time of its newest request.
    """

    lines: int = 0
    stored: int = 0
    duplicates: int = 0
    newest: datetime | None = None


class Ledger:
    """The objects of one bucket that were read, or passed over, by key and ETag.

    Args:
        path: None: in a temporary file, for as long as the process runs.

    Raises:
        UsageError: if the file can't be used.
    """

    def __init__(self, path: Path | None, bucket: str) -> None:
        self._bucket = bucket
        try:
            self._database = sqlite3.connect(path or "", isolation_level=None)
            self._database.execute("pragma journal_mode = wal")
            self._database.execute("pragma synchronous = normal")
            self._database.execute(
                """
                create table if not exists objects (
                    bucket text not null, key text not null, etag text not null,
                    lines integer not null default 0, stored integer not null default 0, duplicates integer not null default 0,
                    newest text, tries integer not null default 0, done_at text,
                    primary key (bucket, key)
                ) without rowid
                """
            )
            self._database.execute(
                "create temp table unread (key text primary key, etag text, bytes integer) without rowid"
            )
        except sqlite3.Error as error:
            raise click.UsageError(f"The ledger {path} can't be used: {error}") from None

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add_unread(self, key: str, etag: str, size: int) -> None:
        """Note an object that a listing has, unless it was read."""
        if not self.is_done(key, etag):
            self._database.execute("insert or replace into unread values (?, ?, ?)", [key, etag, size])

    def unread(self) -> tuple[int, int]:
        """How many objects still have to be read, and their bytes."""
        count, size = self._database.execute("select count(*), coalesce(sum(bytes), 0) from unread").fetchone()
        return count, size

    def unread_keys(self) -> Iterator[tuple[str, str]]:
        """Their keys and ETags, in order of the keys. They may be read meanwhile."""
        key = ""
        while found := self._database.execute(
            "select key, etag from unread where key > ? order by key limit 1", [key]
        ).fetchone():
            key = found[0]
            yield key, found[1]

    def forget_unread(self, key: str) -> None:
        """An object needn't be read any more."""
        self._database.execute("delete from unread where key = ?", [key])

    def is_done(self, key: str, etag: str) -> bool:
        """Whether this content was read or passed over."""
        query = "select 1 from objects where bucket = ? and key = ? and etag = ? and done_at is not null"
        return self._database.execute(query, [self._bucket, key, etag]).fetchone() is not None

    def is_passed_over(self, key: str, etag: str) -> bool:
        """Whether this content couldn't be read."""
        query = "select 1 from objects where bucket = ? and key = ? and etag = ? and done_at is not null and tries >= ?"
        return self._database.execute(query, [self._bucket, key, etag, MAX_TRIES]).fetchone() is not None

    def finish(self, key: str, etag: str, result: Result) -> None:
        """Note that an object is stored: every line of it was acknowledged."""
        newest = result.newest.astimezone(UTC).isoformat() if result.newest else None
        values = [self._bucket, key, etag, result.lines, result.stored, result.duplicates, newest, _now()]
        self._database.execute(
            """
            insert or replace into objects (bucket, key, etag, lines, stored, duplicates, newest, done_at)
            values (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            values,
        )

    def fail(self, key: str, etag: str) -> bool:
        """Note that an object couldn't be read. Returns whether it is passed over from now on."""
        before = self._database.execute(
            "select tries from objects where bucket = ? and key = ? and etag = ?", [self._bucket, key, etag]
        ).fetchone()
        tries = (before[0] if before else 0) + 1
        done = _now() if tries >= MAX_TRIES else None
        self._database.execute(
            "insert or replace into objects (bucket, key, etag, tries, done_at) values (?, ?, ?, ?, ?)",
            [self._bucket, key, etag, tries, done],
        )
        return done is not None

    def newest(self) -> datetime | None:
        """The time of the newest request of all objects. An earlier release noted those of the future, too."""
        (text,) = self._database.execute(
            "select max(newest) from objects where bucket = ? and newest <= ?", [self._bucket, _now()]
        ).fetchone()
        return datetime.fromisoformat(text) if text else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
