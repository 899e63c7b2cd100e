"""Sending events until they are acknowledged, and noting in the ledger what is known of each request."""

import gzip
import json
import threading
from random import Random
from typing import Any

import requests
from clients import RESEND
from definitions.product import as_sent
from definitions.reference.events import Event

from .eras import EXPIRED_BEFORE
from .ledger import Ledger
from .report import Report
from .system import ORDERS_SOURCE, System

TIMEOUT_SECONDS = 20
PAUSE_SECONDS = 0.1
JSON, NDJSON = "application/json", "application/x-ndjson"


class Sender:
    """Sends requests, one at a time; each thread has its own."""

    def __init__(self, system: System, ledger: Ledger, report: Report, random: Random) -> None:
        self._system, self._ledger, self._report, self._random = system, ledger, report, random
        self._session = requests.Session()
        self._pause = threading.Event()

    def send(self, events: list[Event], malformed: list[dict[str, Any]] | None = None) -> None:
        """Send events of one source in one request, again and again until it is acknowledged.

        Args:
            malformed: what stands behind them in the request, and must be refused.
        """
        body, headers = self._write([as_sent(event) for event in events] + (malformed or []))
        source = events[0].source
        if source in self._system.keys:
            headers["X-Write-Key"] = self._system.keys[source]
        while not self._try(events, body, headers, len(malformed or [])):
            self._pause.wait(PAUSE_SECONDS)

    def _write(self, sent: list[dict[str, Any]]) -> tuple[bytes, dict[str, str]]:
        """One event alone, an array or lines; compressed now and then."""
        if len(sent) == 1 and self._random.random() < 0.7:
            body, kind = json.dumps(sent[0]), JSON
        elif self._random.random() < 0.5:
            body, kind = json.dumps(sent, ensure_ascii=False), JSON
        else:
            body, kind = "\n".join(map(json.dumps, sent)), NDJSON
        if self._random.random() < 0.2:
            return gzip.compress(body.encode(), 1), {"Content-Type": kind, "Content-Encoding": "gzip"}
        return body.encode(), {"Content-Type": kind}

    def _try(self, events: list[Event], body: bytes, headers: dict[str, str], malformed: int) -> bool:
        """One request; whether it needn't be sent again."""
        collector = self._random.choice(self._system.collectors_for(events[0].source))
        began = self._ledger.begin(events)
        try:
            answer = self._session.post(f"{collector.url}/events", body, headers=headers, timeout=TIMEOUT_SECONDS)
        except requests.RequestException:
            self._ledger.lose(events)
            self._report.count("requests without an answer")
            return False
        self._report.count("requests")
        if answer.status_code in RESEND:
            self._ledger.lose(events)
            self._report.count(f"answers {answer.status_code} to clients")
            if answer.status_code == 500:
                self._report.find("a collector answered 500", self._system.logged(answer))
            return False
        self._note(events, began, answer, malformed)
        return True

    def _note(self, events: list[Event], began: float, answer: requests.Response, malformed: int) -> None:
        try:
            content = answer.json()
        except ValueError:
            content = {}
        refused = frozenset(error["index"] for error in content.get("errors", ()))
        if answer.status_code not in (200, 201, 207, 422) or (answer.status_code == 422 and not refused):
            self._report.find("an answer that no client expects", f"{answer.status_code} {answer.text}")
            refused = frozenset(range(len(events)))
        of_ours = frozenset(index for index in refused if index < len(events))
        expired = frozenset(one["index"] for one in content.get("warnings", ()) if one["code"] == "expired")
        self._ledger.answer(events, began, of_ours, expired)
        self._report.count("events answered expired", len(expired))
        if young := [events[index] for index in expired if events[index].timestamp >= EXPIRED_BEFORE]:
            self._report.find("an event that must stay was taken for expired", f"{young[:3]}")
        if len(refused) - len(of_ours) != malformed:
            self._report.find("a malformed event was taken", f"{answer.status_code} {answer.text}")
        if of_ours and events[0].source != ORDERS_SOURCE:
            first = events[min(of_ours)]
            self._report.find(
                "a valid event was refused", f"{first}: {answer.status_code} {content.get('errors', answer.text)}"
            )
