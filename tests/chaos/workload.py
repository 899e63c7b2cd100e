"""Clients that send events without pause: ordinary ones, and one that fills whole months."""

import threading
from collections import deque
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from definitions.reference.events import Event

from . import eras
from .linking import VISITORS, some_link
from .report import Report
from .sending import Sender
from .system import BULK_SOURCE, ORDERS_SOURCE, ORDINARY_SOURCES

USERS = [f"user-{number}" for number in range(40)] + ["Zoé", "z😀", "a/b c%2F"]
TYPES = ["view", "view", "view", "buy", "sign up", "été"]
VALUES: list[Any] = ["/", "/a", "", "é", "1", 1, 1.5, True, None, ["x", 1], {"bb": 1, "a": None}]
LINKING = 0.03
"""The part of ordinary events that link two ids."""

REMEMBERED = 400
MAX_EVENTS = 25
PAUSE_SECONDS = 0.06
SINGLE_PAUSE_SECONDS = 0.01
KEPT_SOURCES = [source for source in ORDINARY_SOURCES if source != "brief"]

PARTITION_ROWS = 10_000
"""From so many on `tracker maintain` gives a month of the default partition its own."""

BATCH = 1000
LATEST_MONTHS = 3


def some_event(random: Random, user_id: str, source: str, timestamp: datetime, event_type: str | None = None) -> Event:
    """An event with an id of its own."""
    properties = {"page": random.choice(VALUES), "plan": random.choice(["pro", "free", None])}
    return Event(
        user_id=user_id,
        event_type=event_type or random.choice(TYPES),
        timestamp=timestamp,
        event_id=UUID(int=random.getrandbits(128)),
        session_id=random.choice([None, None, f"s{random.randrange(5)}"]),
        properties={name: value for name, value in properties.items() if random.random() < 0.7},
        source=source,
    )


class Months:
    """Which months are filled one after the other, again and again."""

    def __init__(self, months: list[datetime]) -> None:
        self.left = deque(months)
        self._latest: deque[datetime] = deque(maxlen=LATEST_MONTHS)

    def next(self) -> datetime:
        """The one to be filled now."""
        month = self.left.popleft()
        if month >= eras.EXPIRED_BEFORE:
            self._latest.append(month)
        return month

    def some_time(self, random: Random) -> datetime | None:
        """A moment of a month that is being filled or moved; None if there is none, or it is too old for what must stay."""
        return eras.within(random, random.choice(self._latest), eras.FILLED) if self._latest else None


class Client:
    """Sends events of many users; each request has some that it, or another client, has sent before.

    Args:
        recent: what clients have sent lately; they share it.
    """

    def __init__(
        self, sender: Sender, random: Random, months: Months, recent: deque[Event], *, sends_expired: bool
    ) -> None:
        self._sender, self._random, self._months, self._recent = sender, random, months, recent
        self._sends_expired = sends_expired

    def run(self, stopping: threading.Event) -> None:
        while not stopping.wait(PAUSE_SECONDS):
            if self._sends_expired and self._random.random() < 0.1:
                self._sender.send(self._expired())
            elif self._random.random() < 0.1:
                self._sender.send(self._orders())
            else:
                self._sender.send(self._batch())

    def run_single(self, stopping: threading.Event) -> None:
        """Without batches and without pause, into months that are being moved where there are any."""
        while not stopping.wait(SINGLE_PAUSE_SECONDS):
            timestamp = self._months.some_time(self._random) or eras.some_time(self._random, self._now())
            source = self._random.choice(KEPT_SOURCES)
            self._sender.send([some_event(self._random, self._random.choice(USERS), source, timestamp)])

    def _batch(self) -> list[Event]:
        """New events and known ones of one source, in any order."""
        source = self._random.choice(ORDINARY_SOURCES)
        new = [self._event(source) for _ in range(self._random.choice([1, 1, 5, MAX_EVENTS]))]
        known = [event for event in list(self._recent) if event.source == source]
        batch = new + self._random.sample(known, min(len(known), self._random.choice([0, 0, 3, 10])))
        self._recent.extend(new)
        batch.sort(key=lambda event: event.key, reverse=self._random.random() < 0.5)
        if self._random.random() < 0.3:
            self._random.shuffle(batch)
        if self._random.random() < 0.1:
            batch.append(batch[0])  # twice in one request
        return batch

    def _event(self, source: str) -> Event:
        if source == "brief":
            timestamp = self._now() - self._random.random() * timedelta(days=5)
        else:
            moving = self._months.some_time(self._random) if self._random.random() < 0.3 else None
            timestamp = moving or eras.some_time(self._random, self._now())
            if self._random.random() < LINKING:
                return some_link(self._random, USERS, source, timestamp)
        return some_event(self._random, self._random.choice([*USERS, *VISITORS]), source, timestamp)

    def _expired(self) -> list[Event]:
        source = self._random.choice(["brief", "shop"])
        return [
            some_event(self._random, f"old-{self._random.randrange(20)}", source, eras.expired_time(self._random))
            for _ in range(5)
        ]

    def _orders(self) -> list[Event]:
        """Some violate the schema that counts at times."""
        return [
            Event(
                user_id=self._random.choice(USERS),
                event_type="order",
                timestamp=eras.some_time(self._random, self._now()),
                event_id=UUID(int=self._random.getrandbits(128)),
                properties={"amount": self._random.choice([1, 2.5, "ten"])},
                source=ORDERS_SOURCE,
            )
            for _ in range(self._random.choice([1, 4]))
        ]

    def _now(self) -> datetime:
        return datetime.now(eras.UTC)


class Filler:
    """Fills one month after the other with as many events as make it move out of the default partition."""

    def __init__(self, sender: Sender, random: Random, months: Months, report: Report) -> None:
        self._sender, self._random, self._months, self._report = sender, random, months, report

    def run(self, stopping: threading.Event) -> None:
        while self._months.left and not stopping.wait(2):
            self.fill(self._months.next(), stopping)
            self._report.count("months filled")

    def fill(self, month: datetime, stopping: threading.Event) -> None:
        for _ in range(0, PARTITION_ROWS + BATCH, BATCH):
            if stopping.is_set():
                return
            self._sender.send([self._event(month) for _ in range(BATCH)])

    def _event(self, month: datetime) -> Event:
        name = "old-bulk" if month < eras.EXPIRED_BEFORE else "bulk"
        return Event(
            user_id=f"{name}-{self._random.randrange(50)}",
            event_type="bulk",
            timestamp=eras.within(self._random, month, eras.FILLED),
            event_id=UUID(int=self._random.getrandbits(128)),
            source=BULK_SOURCE,
        )
