"""Clients of GET /events/live: each gets every event at most once, and at least once if it was connected all the time."""

import threading
import time
from collections import Counter
from contextlib import suppress
from random import Random

import requests
from listener import Listener
from waiting import eventually

from .eras import EXPIRED_BEFORE
from .ledger import Ledger, Sent
from .readers import key_of_json
from .report import Report
from .system import Restartable, System

SOURCE = "shop"
PROMPT_SECONDS = 0.9
"""A stream looks back so far at least: an event that took no longer to be acknowledged is sent."""

DELIVERY_SECONDS = 60


class Segment:
    """One connection, from its opening on."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.opened = time.monotonic()

    def keys(self) -> Counter:
        return Counter(key_of_json(data) for kind, data, _ in list(self.listener.received) if kind == "event")

    def is_whole(self) -> bool:
        """Whether it is still connected, and nothing was left out."""
        return self.listener.thread.is_alive() and all(kind == "event" for kind, _, _ in list(self.listener.received))


class Streams:
    """One listener for each query service, which comes back when its connection ends."""

    def __init__(self, system: System, ledger: Ledger, report: Report, random: Random) -> None:
        self._system, self._ledger, self._report, self._random = system, ledger, report, random
        self.segments: list[Segment] = []

    def run(self, query: Restartable, stopping: threading.Event) -> None:
        while not stopping.wait(0.5):
            segment = self._open(query.url)
            while segment and segment.listener.thread.is_alive() and not stopping.wait(0.5):
                pass

    def check(self) -> None:
        """When nothing is sent any more."""
        sent = {key: one for key, one in self._ledger.sent.items() if one.event.source == SOURCE}
        for segment in self.segments:
            self._check_received(segment, set(sent))
        prompt = [one for one in sent.values() if _is_prompt(one)]
        for segment in filter(Segment.is_whole, self.segments):
            due = {key for key, one in sent.items() if one in prompt and one.began > segment.opened}
            eventually(lambda segment=segment, due=due: due <= segment.keys().keys(), DELIVERY_SECONDS)
            if missing := due - segment.keys().keys():
                self._report.find("a stream didn't send an event", f"{len(missing)} of {len(due)}: {list(missing)[:3]}")
            self._report.count("events due on whole streams", len(due))

    def close(self) -> None:
        for segment in self.segments:
            connection = segment.listener.answer.raw.connection
            if connection is not None and connection.sock is not None:
                with suppress(OSError):
                    connection.sock.shutdown(2)

    def _open(self, url: str) -> Segment | None:
        try:
            listener = Listener(url, {"source": SOURCE}, self._system.everything)
        except requests.RequestException:
            return None
        if listener.answer.status_code != 200:
            return None
        segment = Segment(listener)
        self.segments.append(segment)
        self._report.count("streams opened")
        return segment

    def _check_received(self, segment: Segment, known: set) -> None:
        received = segment.keys()
        # What retention deletes is another event if it is sent again.
        if twice := [key for key, number in received.items() if number > 1 and key[1] >= EXPIRED_BEFORE]:
            self._report.find("a stream sent an event twice", f"{len(twice)}: {twice[:3]}")
        if unknown := received.keys() - known:
            self._report.find("a stream sent an event that nobody stored", f"{list(unknown)[:3]}")
        self._report.count("events on streams", received.total())


def _is_prompt(one: Sent) -> bool:
    if one.acknowledged is None or one.attempts > 1 or one.is_expired:
        return False
    return one.acknowledged - one.began < PROMPT_SECONDS
