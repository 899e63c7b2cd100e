"""Whole exports while the chaos goes on: what was acknowledged before one began is in it once, as it was sent."""

import json
import threading
import time
from collections import Counter
from random import Random
from typing import Any

import requests

from .asking import Asker, UnansweredError
from .ledger import Key, Ledger, Sent
from .readers import key_of_json
from .report import Report

ANONYMOUS = "anonymous-"


class Exporter:
    """Exports everything, and goes on where an answer broke off."""

    def __init__(self, asker: Asker, ledger: Ledger, report: Report, random: Random) -> None:
        self._asker, self._ledger, self._report, self._random = asker, ledger, report, random

    def run(self, stopping: threading.Event) -> None:
        while not stopping.wait(self._random.uniform(5, 15)):
            self.export(stopping)

    def export(self, stopping: threading.Event) -> None:
        began = time.monotonic()
        lines: list[dict[str, Any]] = []
        while not self._read_on(lines):
            if stopping.wait(0.3):
                return
        self._check(began, lines)
        self._report.count("whole exports")
        self._report.count("events exported", len(lines))

    def _read_on(self, lines: list[dict[str, Any]]) -> bool:
        """Whether that was the end."""
        after = {}
        if lines:
            after = {"after": f"{lines[-1]['timestamp']},{lines[-1]['event_id']},{lines[-1]['user_id']}"}
        try:
            with self._asker.request("GET", "/events/export", params=after, stream=True) as answer:
                if answer.status_code != 200:
                    self._report.find("an export was refused", f"{answer.url} {answer.status_code} {answer.text}")
                    return True
                lines.extend(json.loads(line) for line in _whole_lines(answer))
        except UnansweredError:
            return False
        except requests.RequestException:
            self._report.count("exports broken off")
            return False
        return True

    def _check(self, began: float, lines: list[dict[str, Any]]) -> None:
        found = Counter(map(key_of_json, lines))
        if twice := [key for key, number in found.items() if number > 1]:
            self._report.find("an export has an event twice", f"{len(twice)}: {twice[:3]}")
        sent = {key: one for one in self._ledger.all_sent() if (key := key_of_sent(one))}
        missing = [key for key, one in sent.items() if self._is_due(one, began) and key not in found]
        if missing:
            self._report.find("an export lacks events", f"{len(missing)} of {len(sent)}: {missing[:3]}")
        unknown = [key for key in found if key not in sent and not key[0].startswith(ANONYMOUS)]
        if unknown:
            self._report.find("an export has what nobody sent", f"{unknown[:3]}")
        for line in lines:
            one = sent.get(key_of_json(line))
            if one and difference(one, line):
                self._report.find("an export has an event otherwise than it was sent", f"{one.event} {line}")

    def _is_due(self, one: Sent, began: float) -> bool:
        if one.acknowledged is None or one.acknowledged > began or one.is_expired:
            return False
        return not self._ledger.erasures_of(one.event)


def key_of_sent(one: Sent) -> Key:
    return one.event.user_id, one.event.timestamp, one.event.event_id


def _whole_lines(answer: requests.Response) -> Any:
    """Each line with its end; what stands behind the last end is of a body that broke off."""
    rest = b""
    for part in answer.iter_content(chunk_size=65_536):
        *whole, rest = (rest + part).split(b"\n")
        yield from whole


def difference(one: Sent, stored: dict[str, Any]) -> bool:
    """Whether an event's other fields are as they were sent."""
    event = one.event
    ours = (event.event_type, event.session_id, event.properties, event.source)
    return ours != tuple(stored[name] for name in ("event_type", "session_id", "properties", "source"))
