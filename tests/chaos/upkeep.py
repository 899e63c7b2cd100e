"""`tracker maintain` again and again, sometimes killed, sometimes with --keep; and replays of refused orders."""

import subprocess
import threading
from random import Random
from typing import Any

from . import eras
from .asking import Asker
from .report import Report
from .system import ORDERS_SOURCE, System

STRICT = {"required": ["amount"], "properties": {"amount": {"type": "number"}}}
LENIENT: dict[str, Any] = {"properties": {"amount": {"type": ["number", "string"]}}}
MAX_SECONDS = 300


class Upkeep:
    """What a nightly job does, without the nights."""

    def __init__(self, system: System, report: Report, random: Random, drops: bool) -> None:
        self._system, self._report, self._random, self._drops = system, report, random, drops

    def run(self, stopping: threading.Event) -> None:
        while not stopping.wait(self._random.uniform(0.5, 3)):
            kills = self._random.random() < 0.15
            self.once(
                drops=self._drops and self._random.random() < 0.5,
                patience=self._random.uniform(0.5, 6) if kills else MAX_SECONDS,
            )

    def once(self, *, drops: bool, patience: float = MAX_SECONDS) -> bool:
        """Whether it did all of its work within so many seconds, after which it is killed."""
        process = self._system.maintain(*(("--keep", eras.KEEP) if drops else ()))
        try:
            said, _ = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            self._report.count("maintain killed")
            if patience == MAX_SECONDS:
                self._report.find("tracker maintain doesn't end", said)
            return False
        self._note(said, process.returncode)
        return process.returncode == 0

    def _note(self, said: str, code: int) -> None:
        self._report.count("maintain done" if code == 0 else "maintain failed")
        self._report.count("months moved", said.count("from the default partition"))
        self._report.count("partitions dropped", said.count("events_19"))
        if "Traceback" in said:
            self._report.find("tracker maintain broke", said[-1500:])
        elif code:
            self._report.count(
                f"maintain failed: {said.strip().splitlines()[-1][:70]}" if said.strip() else "maintain mute"
            )


class Replays:
    """Sets the schema that orders are held to, and has replayed what was refused."""

    def __init__(self, asker: Asker, report: Report, random: Random) -> None:
        self._asker, self._report, self._random = asker, report, random

    def run(self, stopping: threading.Event) -> None:
        self.hold_to(STRICT)
        while not stopping.wait(self._random.uniform(2, 6)):
            self.hold_to(LENIENT)
            self.replay()
            if stopping.wait(self._random.uniform(0.5, 3)):
                return
            self.hold_to(STRICT)
            self.replay()  # some are refused once more

    def hold_to(self, schema: dict[str, Any]) -> None:
        body = {"event_type": "order", "schema": schema}
        self._expect(self._asker.insist("PUT", f"/admin/sources/{ORDERS_SOURCE}/schemas", json=body))

    def replay(self) -> None:
        answer = self._asker.insist("POST", "/admin/rejections/replay", json={"source": ORDERS_SOURCE})
        self._expect(answer)
        self._report.count("rejections replayed", answer.json().get("events", 0))

    def _expect(self, answer: Any) -> None:
        if answer.status_code not in (200, 201, 202):
            self._report.find("management was refused", f"{answer.url}: {answer.status_code} {answer.text}")
