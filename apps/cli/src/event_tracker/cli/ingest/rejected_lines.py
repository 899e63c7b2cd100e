"""Files for the lines that were refused or are expired, with the reasons, so that they can be corrected and sent again."""

from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from event_tracker.cli.ingest.files import REPORT_SUFFIX, is_report

SHOWN_REASONS = 5
SHOWN_FILES = 5


class RejectedLines:
    """Writes them: beside each file that is sent, or to one file for all. A file is created at the first such line.

    Args:
        common: the file for all.
        files: the files that are sent.

    Attributes:
        reasons: how often each error code occurred.
        examples: the first error of each code, as text.
        paths: the files that were written.

    Raises:
        UsageError: if `common` is one of `files`.
    """

    def __init__(self, common: Path | None, files: list[str]) -> None:
        if (
            common is not None
            and common.exists()
            and any(Path(file).exists() and common.samefile(file) for file in files)
        ):
            raise click.UsageError("--rejected names the file that is sent.")
        self.common, self._files = common, files
        self.is_several = len(files) > 1
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.paths: list[Path] = []
        self._file: BinaryIO | None = None

    def remove_earlier(self) -> None:
        """Remove the files of earlier runs whose names are those of this run. They are refused as a whole if one isn't such a file.

        Raises:
            UsageError: if a file of such a name has something else: lines that were corrected, for example.
        """
        paths = sorted(path for path in {self._path(file) for file in self._files} if path.is_file())
        for path in paths:
            if not is_report(path) and (path.stat().st_size or str(path) in self._files):
                raise click.UsageError(f"{path} would be replaced, and it has no rejected lines: give it another name.")
        for path in paths:
            path.unlink()

    def _path(self, file: str) -> Path:
        beside = (
            Path(f"{file}{REPORT_SUFFIX}") if Path(file).is_file() else Path("rejected.ndjson")
        )  # a pipe has no folder
        return self.common or beside

    def write(self, file: str, number: int, errors: list[dict[str, Any]], original: bytes) -> None:
        """Add a line: its number, its errors, and its content, as JSON if it is valid JSON, else as text."""
        path = self._path(file)
        if self._file is None or self.paths[-1] != path:
            self.close()
            self._file = path.open("ab" if path in self.paths else "wb")
            self.paths.append(path)
        # One file for all says in each line which one it is from.
        place = {"file": file} if self.is_several and self.common else {}
        record = {**place, "line": number, "errors": errors, "event": as_json(original)}
        self._file.write(msgspec.json.encode(record) + b"\n")
        for error in errors:
            self.reasons[error["code"]] += 1
            where = f"{file}, line {number}" if self.is_several else f"line {number}"
            self.examples.setdefault(error["code"], f"{where}: {error['pointer']} {error['detail']}")

    def close(self) -> None:
        """Close the file that is open, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def summary(self) -> str:
        """A text with the files' names and the most frequent reasons; empty if there is no such line."""
        if not self.paths:
            return ""
        paths = list(dict.fromkeys(map(str, self.paths)))
        more = [f"and {len(paths) - SHOWN_FILES:,} more"] if len(paths) > SHOWN_FILES else []
        shown = (
            f"  {times:,} times {code}, as in {self.examples[code]}"
            for code, times in self.reasons.most_common(SHOWN_REASONS)
        )
        return "\n".join([f"Lines that aren't stored and why: {', '.join(paths[:SHOWN_FILES] + more)}", *shown])


def as_json(original: bytes) -> msgspec.Raw | str:
    """The text unchanged, if it is JSON; otherwise as a string."""
    try:
        msgspec.json.decode(original)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return original.decode(errors="replace")
    return msgspec.Raw(original)
