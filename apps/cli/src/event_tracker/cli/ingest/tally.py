"""Counts the outcomes of lines."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from event_tracker.cli.ingest.delivery import Outcome
from event_tracker.cli.ingest.entries import EventLine, LeftOutLine, RefusedLine
from event_tracker.cli.ingest.input import Item
from event_tracker.cli.ingest.logs.kinds import NO_REQUEST


class Report(Protocol):
    """Keeps lines that are refused or expired."""

    def write(self, file: str, number: int, errors: list[dict[str, Any]], original: bytes) -> None:
        """Add a line."""

    def summary(self) -> str:
        """A text about them; empty if there is none."""


@dataclass
class Tally:
    """The outcomes so far.

    Attributes:
        last: the number of the last line, and `file` the file that it is in.
        left_out: how many lines of logs became no event, by the kind of their request.
    """

    report: Report
    files: int = 1
    file: str = ""
    last: int = 0
    lines: int = 0
    stored: int = 0
    duplicates: int = 0
    accepted: int = 0
    expired: int = 0
    rejected: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, items: list[Item], outcome: Outcome) -> None:
        """Count a batch, and report its lines that are rejected or expired."""
        self.file, self.last = items[-1].file, items[-1].entry.number
        self.lines += len(items)
        self.stored += outcome.stored
        self.duplicates += outcome.duplicates
        self.accepted += outcome.accepted
        place = count()
        for file, entry in items:
            if isinstance(entry, LeftOutLine):
                self.left_out[entry.kind] += 1
                continue
            index = next(place) if isinstance(entry, EventLine) else -1
            errors = [entry.reason._asdict()] if isinstance(entry, RefusedLine) else outcome.errors.get(index)
            if errors:
                self.rejected += 1
                self.report.write(file, entry.number, errors, entry.original)
            elif expired := outcome.expired.get(index):
                self.expired += 1
                self.report.write(file, entry.number, expired, entry.original)

    def counts(self) -> str:
        """A text with the number of lines of each outcome."""
        expired = f"{self.expired:,} expired, " if self.expired else ""
        accepted = f"{self.accepted:,} accepted, " if self.accepted else ""
        left_out = f"{self.left_out.total():,} left out, " if self.left_out else ""
        return f"{self.stored:,} stored, {self.duplicates:,} duplicates, {accepted}{expired}{left_out}{self.rejected:,} rejected"

    def describe_position(self) -> str:
        """A text that says how far it came."""
        return f"line {self.last:,}" + (f" of {self.file}" if self.files > 1 and self.file else "")

    def summary(self, seconds: float, *, dry_run: bool) -> str:
        """A text about the whole run."""
        if dry_run:
            valid = self.lines - self.rejected - self.left_out.total()
            outcome = f"{valid:,} valid, {self.rejected:,} rejected; nothing is stored (dry run)"
        else:
            outcome = self.counts()
        files = f"{self.files:,} files, " if self.files > 1 else ""
        first = f"{files}{self.lines:,} lines: {outcome}. {seconds:.1f} s, {self.lines / seconds:,.0f} lines/s."
        return "\n".join(filter(None, [first, self._kinds(), self.report.summary()]))

    def _kinds(self) -> str:
        """A text about the requests that became no event."""
        kinds = ", ".join(f"{times:,} {kind}" for kind, times in self.left_out.most_common() if kind != NO_REQUEST)
        return kinds and f"Requests left out (--also stores them): {kinds}"
