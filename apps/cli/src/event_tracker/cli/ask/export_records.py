"""Splits the bytes of an export into complete records, and knows where to continue after the last one."""

import csv
import io
from collections.abc import Sequence

import msgspec

HEAD = b"user_id,event_type,timestamp,event_id,session_id,properties,received_at,source\r\n"


class _Key(msgspec.Struct):
    user_id: str
    timestamp: str
    event_id: str


class Records:
    """Takes an export's bytes in any parts and returns complete records.

    Attributes:
        count: the number of records returned.
        last: the last of them; empty if there is none yet.
    """

    end = b"\n"

    def __init__(self) -> None:
        self.count = 0
        self.last = b""
        self._rest = b""

    def take(self, part: bytes) -> bytes:
        """Take a part and return the records that are complete with it."""
        text = self._rest + part
        cut = self._last_end(text)
        whole, self._rest = text[:cut], text[cut:]
        if whole:
            self.last = whole[self._last_end(whole[: -len(self.end)]) :]
            self.count += self._number(whole)
        return whole

    def begin(self) -> None:
        """Start a new body: drop an incomplete record of the previous one."""
        self._rest = b""

    def after(self) -> str | None:
        """The last record's position, for the parameter `after` of GET /events/export; None if there is no record."""
        if not self.last:
            return None
        key = msgspec.json.decode(self.last, type=_Key)
        return f"{key.timestamp},{key.event_id},{key.user_id}"

    def _last_end(self, text: bytes) -> int:
        """The end of the last complete record. `text` begins with a record."""
        return text.rfind(self.end) + len(self.end) if self.end in text else 0

    def _number(self, whole: bytes) -> int:
        return whole.count(b"\n")


class CsvRecords(Records):
    """Records of CSV. A record ends at a line end outside of quotes. The header is returned once, and isn't counted."""

    end = b"\r\n"

    def __init__(self) -> None:
        super().__init__()
        self._has_head = self._skips_head = False

    def begin(self) -> None:
        super().begin()
        self._skips_head = self._has_head

    def take(self, part: bytes) -> bytes:
        before = self.last
        whole = super().take(part)
        if self.last == HEAD:
            self.last = before
        if whole.startswith(HEAD):
            self._has_head = True
            if self._skips_head:
                return whole.removeprefix(HEAD)
        return whole

    def after(self) -> str | None:
        if not self.last:
            return None
        row: Sequence[str] = next(csv.reader(io.StringIO(self.last.decode(), newline=""), strict=True))
        return f"{row[2]},{row[3]},{row[0]}"

    def _last_end(self, text: bytes) -> int:
        quotes = text.count(b'"')
        end = len(text)
        while (found := text.rfind(self.end, 0, end)) >= 0:
            quotes -= text.count(b'"', found, end)
            if quotes % 2 == 0:
                return found + len(self.end)
            end = found
        return 0

    def _number(self, whole: bytes) -> int:
        """A record has exactly one line end outside of quotes."""
        lines = whole.split(self.end)[:-1]
        number = quotes = 0
        for line in lines:
            quotes += line.count(b'"')
            number += quotes % 2 == 0
        return number - whole.startswith(HEAD)
