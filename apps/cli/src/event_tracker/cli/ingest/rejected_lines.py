"""The lines that were refused, in a file with the reasons, so that they can be mended and sent again; and those that are expired."""

from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

SHOWN_REASONS = 5


class RejectedFile:
    """Written at the first refusal; one left by an earlier run is removed, for it speaks of that run.

    Attributes:
        reasons: how often each code was given.
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
        """Add a line: its number, what is wrong, and what stood there: as JSON if it is, as text if not."""
        if self._file is None:
            self._file = self.path.open("wb")
        record = {"line": number, "errors": errors, "event": as_json(original)}
        self._file.write(msgspec.json.encode(record) + b"\n")
        for error in errors:
            self.reasons[error["code"]] += 1
            self.examples.setdefault(error["code"], f"line {number}: {error['pointer']} {error['detail']}")

    def close(self) -> None:
        """Finish the file, if there is one."""
        if self._file is not None:
            self._file.close()

    def summary(self) -> str:
        """Where the lines are, and the most frequent reasons; empty if none was refused."""
        if self._file is None:
            return ""
        shown = (
            f"  {times:,} times {code}, as in {self.examples[code]}"
            for code, times in self.reasons.most_common(SHOWN_REASONS)
        )
        return "\n".join([f"Lines that aren't stored and why: {self.path}", *shown])


def as_json(original: bytes) -> msgspec.Raw | str:
    """The text as JSON, untouched, if it is JSON; otherwise as a string."""
    try:
        msgspec.json.decode(original)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return original.decode(errors="replace")
    return msgspec.Raw(original)
