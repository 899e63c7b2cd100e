"""Clients that follow the API's contract: each event has its own id, and is sent again until it is acknowledged."""

import itertools
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import requests

RESEND = {408, 429, 500, 502, 503, 504}


class Clients:
    """Threads that post events without a pause until the end of the context. Every second request is a batch of five.

    Attributes:
        acknowledged: the ids of acknowledged events.
        by_user: how many of them each user has.
        statuses: the statuses of all answers.
        lost: answers that the contract doesn't allow.
    """

    def __init__(self, urls: Sequence[str], threads: int = 8, headers: Mapping[str, str] | None = None) -> None:
        self.urls, self.headers = list(urls), dict(headers or {})
        self.acknowledged: set[str] = set()
        self.by_user: Counter[str] = Counter()
        self.statuses: list[int] = []
        self.lost: list[Any] = []
        self._stopping = threading.Event()
        self._abandoned = False  # the test has failed: events that aren't acknowledged by now are given up
        self._threads = [threading.Thread(target=self._run, args=[number]) for number in range(threads)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        self._abandoned = failure is not None
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def wait_acknowledged(self, number: int, seconds: float = 60) -> None:
        """Return once that many more events are acknowledged."""
        goal = len(self.acknowledged) + number
        deadline = time.monotonic() + seconds
        while len(self.acknowledged) < goal:
            assert time.monotonic() < deadline, (
                f"{len(self.acknowledged)} of {goal}, statuses {set(self.statuses)}, {self.lost[:2]}"
            )
            time.sleep(0.02)

    def _run(self, number: int) -> None:
        session = requests.Session()
        session.headers.update(self.headers)
        for turn in itertools.count():
            if self._stopping.is_set():
                return
            ids = [str(uuid.uuid4()) for _ in range(1 if turn % 2 else 5)]
            events = [
                {
                    "user_id": f"user-{number}",
                    "event_type": "load",
                    "timestamp": "2026-03-01T10:00:00Z",
                    "event_id": one,
                }
                for one in ids
            ]
            if self._send(session, events if len(events) > 1 else events[0]):
                self.acknowledged.update(ids)
                self.by_user[f"user-{number}"] += len(ids)

    def _send(self, session: requests.Session, body: Any) -> bool:
        """Send to the collectors in turn until the events are acknowledged. False if that was given up."""
        for url in itertools.cycle(self.urls):
            if self._abandoned:
                return False
            try:
                answer = session.post(f"{url}/events", json=body, timeout=20)
            except requests.RequestException:
                time.sleep(0.05)
                continue
            self.statuses.append(answer.status_code)
            if answer.status_code in (200, 201, 202):
                return True
            if answer.status_code not in RESEND:
                self.lost.append((answer.status_code, answer.text))
                return False
            assert "Retry-After" in answer.headers
            time.sleep(0.05)
        raise AssertionError("there is no URL to send to")
