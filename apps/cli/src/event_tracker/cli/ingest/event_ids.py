"""Gives every line an event_id before it is sent, so that sending a file again stores nothing twice.

A line without an event_id gets a UUIDv5 (RFC 9562 section 5.5). It is made from the content and the number of equal lines
before it in the file: two equal lines of an access log are two requests, and stay two events. A file that has grown can be
sent again as a whole. The same line in two files is one event: a file's name is no part of the id, because logs are renamed
and compressed when they are rotated.
"""

import hashlib
import sqlite3
import uuid
from typing import Any

import msgspec

from event_tracker.cli.ingest.entries import JSON_ERRORS, Entry, EventLine, Reason, RefusedLine
from event_tracker.core.postgres.unstorable import replace_unstorable

NAMESPACE = uuid.UUID("93cf2f07-72ee-51b1-ace5-25118ad80492")
"""Never change it: every line that was ever sent would become a new event."""

NO_TIME = Reason(
    "/timestamp",
    "timestamp_required",
    "Has neither a timestamp nor an event_id that holds one: each time it is sent it would be stored again. "
    "Add a timestamp, or give all such lines one with --timestamp.",
)


class _Known(msgspec.Struct):
    """The fields of an event that are used here. The collector validates the rest."""

    event_id: Any = None
    timestamp: Any = None


_read = msgspec.json.Decoder(_Known).decode


def _read_known(entry: Entry) -> _Known | None:
    """The fields of a line; None if it can't be sent, or is invalid."""
    if not isinstance(entry, EventLine):
        return None
    try:
        return _read(replace_unstorable(entry.event) if b"\\u" in entry.event else entry.event)
    except JSON_ERRORS:
        return None


class EventIdMaker:
    """Gives ids to the lines of files, one after the other.

    Args:
        timestamp: the time for lines without one, as RFC 3339.
    """

    def __init__(self, timestamp: str | None = None) -> None:
        self.timestamp = timestamp
        # An unnamed database is a temporary file. SQLite keeps only some megabytes of it in memory, whatever the number of lines.
        self._seen = sqlite3.connect("", isolation_level=None)
        self._seen.execute("pragma journal_mode = off")
        self._seen.execute("create table seen (hash integer primary key, times integer not null)")
        self._seen.execute("begin")

    def begin_file(self) -> None:
        """Begin another file: equal lines are counted within one."""
        self._seen.execute("delete from seen")

    def close(self) -> None:
        """Close the database of lines seen."""
        self._seen.close()

    def identify(self, batch: list[Entry]) -> list[Entry]:
        """Add an event_id to each line without one, or the reason why it can't have one. Invalid events are left to the collector."""
        known = list(map(_read_known, batch))
        # Equal lines are alike in this, too. Most lines of logs have ids.
        nameless = [
            entry.original
            for entry, fields in zip(batch, known, strict=True)
            if isinstance(entry, EventLine) and fields is not None and fields.event_id is None
        ]
        occurrences = iter(self._occurrences(nameless) if nameless else ())
        return [
            entry
            if fields is None or fields.event_id is not None
            else self._identified(entry, fields, next(occurrences))
            for entry, fields in zip(batch, known, strict=True)
        ]

    def _identified(self, entry: Entry, known: _Known, occurrence: int) -> Entry:
        assert isinstance(entry, EventLine)
        added = ""
        if known.timestamp is None:
            if self.timestamp is None:
                return RefusedLine(entry.number, entry.original, NO_TIME)
            added = f',"timestamp":"{self.timestamp}"'
        added += f',"event_id":"{event_id(entry.original, occurrence)}"'
        return EventLine(entry.number, _insert(entry.event, added), entry.original)

    def _occurrences(self, lines: list[bytes]) -> list[int]:
        """For each line, its number among equal lines of the file, from 1."""
        hashes = list(map(_hash, lines))
        times = dict(
            self._seen.execute(
                "select hash, times from seen where hash in (select value from json_each(?))",
                [msgspec.json.encode(hashes).decode()],
            )
        )
        occurrences = []
        for content in hashes:
            times[content] = times.get(content, 0) + 1
            occurrences.append(times[content])
        self._seen.executemany("insert or replace into seen values (?, ?)", times.items())
        return occurrences


def event_id(content: bytes, occurrence: int) -> uuid.UUID:
    """The id of a line: the `occurrence`-th line of the file with this content."""
    name = b"%d\n%b" % (occurrence, content)
    return uuid.UUID(bytes=hashlib.sha1(NAMESPACE.bytes + name, usedforsecurity=False).digest()[:16], version=5)


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), signed=True)


def _insert(event: bytes, members: str) -> bytes:
    """Add members to a JSON object, as text. Decoding and encoding it could change values such as 1e400 or 1.0."""
    opening = event[:-1].rstrip()
    return opening + (members.removeprefix(",") if opening == b"{" else members).encode() + b"}"
