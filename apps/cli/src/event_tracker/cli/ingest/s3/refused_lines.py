"""A file for the lines of all objects that are refused or expired. It is added to, since the command is restarted now and then."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from event_tracker.cli.ingest.rejected_lines import SHOWN_REASONS, as_json


class RefusedLines:
    """Counts them, and writes them if there is a file.

    Args:
        path: the file.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._reasons: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def write(self, file: str, number: int, errors: list[dict[str, Any]], original: bytes) -> None:
        """Add a line."""
        for error in errors:
            self._reasons[error["code"]] += 1
            self._examples.setdefault(error["code"], f"{file}, line {number}: {error['pointer']} {error['detail']}")
        if self._path is not None:
            record = {"file": file, "line": number, "errors": errors, "event": as_json(original)}
            with self._path.open("ab") as opened:
                opened.write(msgspec.json.encode(record) + b"\n")

    def summary(self) -> str:
        """A text with the most frequent reasons; empty if there is no such line."""
        if not self._reasons:
            return ""
        place = f": {self._path}" if self._path else " (--rejected FILE keeps them)"
        shown = (
            f"  {times:,} times {code}, as in {self._examples[code]}"
            for code, times in self._reasons.most_common(SHOWN_REASONS)
        )
        return "\n".join([f"Lines that aren't stored and why{place}", *shown])
