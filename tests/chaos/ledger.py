"""What was sent, what was acknowledged, who was erased, and so what must be stored."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from math import inf
from typing import NamedTuple
from uuid import UUID

from definitions.reference.events import Event

from .eras import EXPIRED_BEFORE

Key = tuple[str, datetime, UUID]
"""user_id, timestamp in UTC, event_id: what makes an event the same one."""


class Presence(Enum):
    """Whether an event must be stored."""

    STORED = "stored"
    GONE = "gone"
    EITHER = "either"


class Sent:
    """What is known of one event. Times are of the monotonic clock, in seconds.

    Attributes:
        attempts: how often it was sent.
        began: when it was sent first.
        answered: when its last request was answered; infinite while one is under way, or if the answer of one got lost: that
            one may be carried out at any time.
        acknowledged: when it was acknowledged first; None if it never was.
        confirmed: when the last acknowledged request began.
        is_stored: whether it was acknowledged as stored or known at least once, and not as expired each time.
    """

    __slots__ = (
        "acknowledged",
        "answered",
        "attempts",
        "began",
        "confirmed",
        "event",
        "is_stored",
        "is_unsure",
        "under_way",
    )

    def __init__(self, event: Event) -> None:
        self.event = event
        self.attempts = self.under_way = 0
        self.began, self.answered = time.monotonic(), inf
        self.acknowledged: float | None = None
        self.confirmed = -inf
        self.is_stored = self.is_unsure = False

    @property
    def is_expired(self) -> bool:
        """Whether retention may delete it."""
        return self.event.timestamp < EXPIRED_BEFORE


class Erasure(NamedTuple):
    """One request to erase or anonymise a user.

    Attributes:
        sources: as far as these sources' events go; None is all.
        ended: infinite if the answer got lost, so that it may be carried out at any time.
        is_done: whether it was acknowledged.
    """

    mode: str
    sources: frozenset[str] | None
    began: float
    ended: float
    is_done: bool

    def covers(self, event: Event) -> bool:
        return self.sources is None or event.source in self.sources


def key_of(event: Event) -> Key:
    return event.user_id, event.timestamp, event.event_id


class Ledger:
    """Filled by the clients, read by the checks."""

    def __init__(self) -> None:
        self.sent: dict[Key, Sent] = {}
        self.erasures: defaultdict[str, list[Erasure]] = defaultdict(list)
        self.acknowledged = 0
        self._lock = threading.Lock()

    def begin(self, events: Iterable[Event]) -> float:
        """A request with these events is about to be sent; when."""
        now = time.monotonic()
        with self._lock:
            for event in events:
                sent = self.sent.setdefault(key_of(event), Sent(event))
                sent.attempts += 1
                sent.under_way += 1
                sent.answered = inf
        return now

    def answer(
        self,
        events: Iterable[Event],
        began: float,
        refused: frozenset[int] = frozenset(),
        expired: frozenset[int] = frozenset(),
    ) -> None:
        """The request was answered, and its events are stored but for those that were refused or are expired."""
        now = time.monotonic()
        with self._lock:
            for index, event in enumerate(events):
                sent = self._close(event, now)
                if index not in refused:
                    self.acknowledged += sent.acknowledged is None
                    sent.acknowledged = sent.acknowledged or now
                    sent.confirmed = max(sent.confirmed, began)
                    sent.is_stored |= index not in expired

    def lose(self, events: Iterable[Event]) -> None:
        """Nobody knows what became of the request."""
        with self._lock:
            for event in events:
                self._close(event, inf).is_unsure = True

    def erase(self, user_id: str, erasure: Erasure) -> None:
        with self._lock:
            self.erasures[user_id].append(erasure)

    def all_sent(self) -> list[Sent]:
        with self._lock:
            return list(self.sent.values())

    def erasures_of(self, event: Event) -> list[Erasure]:
        with self._lock:
            return [one for one in self.erasures.get(event.user_id, ()) if one.covers(event)]

    def presence(self, sent: Sent) -> Presence:
        """Whether an event must be stored under its user's name, once everything is quiet."""
        if sent.acknowledged is None or sent.is_expired:
            return Presence.EITHER
        erasures = self.erasures_of(sent.event)
        if any(one.is_done and sent.answered < one.began for one in erasures):
            return Presence.GONE
        if all(one.ended < sent.confirmed for one in erasures):
            return Presence.STORED
        return Presence.EITHER

    def _close(self, event: Event, now: float) -> Sent:
        sent = self.sent[key_of(event)]
        sent.under_way -= 1
        sent.is_unsure |= now == inf
        sent.answered = inf if sent.is_unsure or sent.under_way else now
        return sent
