"""What a run did and what it found."""

import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable

MAX_SHOWN = 5
"""Findings of one kind; of the others only the number is said."""

MAX_CHARACTERS = 1500


class Report:
    """Counts what was done and collects what is wrong; several threads write to it."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.findings: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", flush=True)

    def count(self, what: str, number: int = 1) -> None:
        with self._lock:
            self.done[what] += number

    def find(self, kind: str, detail: str) -> None:
        """Something is wrong: say so at once, and remember it."""
        with self._lock:
            of_kind = self.findings.setdefault(kind, [])
            of_kind.append(detail[:MAX_CHARACTERS])
        if len(of_kind) <= 2:
            self.say(f"FOUND {kind}: {detail[:300]}")

    def expect_same(self, kind: str, expected: Counter, found: Counter) -> None:
        """Find where two multisets differ."""
        missing, surplus = expected - found, found - expected
        if missing or surplus:
            self.find(
                kind,
                f"missing {missing.total()}: {list(missing.items())[:5]}; surplus {surplus.total()}: {list(surplus.items())[:5]}",
            )

    def thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """A thread of the run; if it breaks, that is a finding, too."""

        def run() -> None:
            try:
                work()
            except Exception:  # whatever it is, the run mustn't pass without it
                self.find(f"the run itself broke ({name})", traceback.format_exc())

        return threading.Thread(target=run, name=name, daemon=True)

    def summary(self) -> str:
        return ", ".join(f"{what} {number:,}" for what, number in sorted(self.done.items()))

    def print_findings(self) -> None:
        for kind, details in self.findings.items():
            print(f"\n{kind}: {len(details)}", file=sys.stderr)
            for detail in details[:MAX_SHOWN]:
                print(f"  {detail}", file=sys.stderr)
