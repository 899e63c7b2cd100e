"""A file for the lines that were refused or are expired, with the reasons, so that they can be corrected and sent again."""

from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

SHOWN_REASONS = 5


class RejectedFile:
    """The file. It is created at the first such line. A file of an earlier run is removed at once.

    Attributes:
        reasons: how often each error code occurred.
        examples: the first error of each code, as text.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self._file: BinaryIO | None = None
        if path.is_file():
            path.unlink()

    def write(self, number: int, errors: list[dict[str, Any]], original: bytes) -> None:
        """Add a line: its number, its errors, and its content, as JSON if it is valid JSON, else as text."""
        if self._file is None:
            self._file = self.path.open("wb")
        record = {"line": number, "errors": errors, "event": as_json(original)}
        self._file.write(msgspec.json.encode(record) + b"\n")
        for error in errors:
            self.reasons[error["code"]] += 1
            self.examples.setdefault(error["code"], f"line {number}: {error['pointer']} {error['detail']}")

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()

    def summary(self) -> str:
        """A text with the file's name and the most frequent reasons; empty if there is no such line."""
        if self._file is None:
            return ""
        shown = (
            f"  {times:,} times {code}, as in {self.examples[code]}"
            for code, times in self.reasons.most_common(SHOWN_REASONS)
        )
        return "\n".join([f"Lines that aren't stored and why: {self.path}", *shown])


def as_json(original: bytes) -> msgspec.Raw | str:
    """The text unchanged, if it is JSON; otherwise as a string."""
    try:
        msgspec.json.decode(original)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return original.decode(errors="replace")
    return msgspec.Raw(original)
