"""Users who come, are sent events of, and are erased or anonymised: of all sources, or of one."""

import itertools
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from math import inf
from random import Random
from urllib.parse import quote
from uuid import UUID

import psycopg
import requests
from definitions.reference.events import Event
from waiting import eventually

from . import eras
from .asking import TIMEOUT_SECONDS, Asker, UnansweredError
from .ledger import Erasure, Ledger
from .plan import Plan
from .report import Report
from .sending import Sender
from .system import ERASED_SOURCES, System
from .workload import Months, some_event

MAX_EVENTS = 24
PAUSE_SECONDS = 0.3
REJECTION_SECONDS = 10
DONE_NOTHING = ("busy", "statement_timeout")
"""Codes of answers that say so."""

MODES = ("erase", "erase", "anonymise")


IS_FORGOTTEN = """
    select exists (select from events where user_id = %(user_id)s) and not exists (select from users where user_id = %(user_id)s)
"""


class ErasedUsers:
    """One thread's users, one after the other."""

    def __init__(
        self,
        name: str,
        system: System,
        ledger: Ledger,
        report: Report,
        random: Random,
        months: Months,
        plan: Plan,
    ) -> None:
        self._name, self._system, self._ledger, self._report, self._random = name, system, ledger, report, random
        self._months, self._plan = months, plan
        self._sender = Sender(system, ledger, report, random)
        self._asker = Asker(system, report, random)
        self._refused = 0

    def run(self, stopping: threading.Event) -> None:
        for number in itertools.count():
            if stopping.wait(PAUSE_SECONDS):
                return
            self._live(f"{self._name}-{number}")

    def _live(self, user_id: str) -> None:
        refused = self._refused
        known = self._send_some(user_id, [])
        if self._plan.awaits_rejections and not self._rejections_are_kept(user_id, self._refused - refused):
            return
        mode, source = self._random.choice(MODES), self._random.choice([None, None, *ERASED_SOURCES])
        if self._plan.erases_under_load and self._random.random() < 0.6:
            self._erase_under_load(user_id, mode, source, known)
        else:
            self._erase(user_id, mode, source)
            if source is None:
                self._check_forgotten(user_id)
        if self._random.random() < 0.4:
            self._send_some(user_id, known)

    def _rejections_are_kept(self, user_id: str, number: int) -> bool:
        """Wait for them: they are written later than they are answered, and those of a collector that is killed never."""
        asked = {"user_id": user_id}

        def are_kept() -> bool:
            found = self._asker.insist("GET", "/admin/rejections", params=asked).json()["items"]
            return len(found) >= number

        return bool(eventually(are_kept, REJECTION_SECONDS))

    def _send_some(self, user_id: str, known: list[Event]) -> list[Event]:
        """New events, some of them twice, beside those of others; returns what is known then."""
        for source in ERASED_SOURCES:
            new = [self._event(user_id, source) for _ in range(self._random.randrange(1, MAX_EVENTS))]
            others = [self._event(f"beside-{self._random.randrange(9)}", source) for _ in range(3)]
            malformed = [{"user_id": user_id, "properties": {}}] if self._random.random() < 0.3 else []
            self._sender.send([*reversed(new), *others], malformed)
            self._refused += len(malformed)
            self._sender.send(self._random.sample(new, len(new) // 2) or new[:1])
            known = known + new
        return known

    def _event(self, user_id: str, source: str) -> Event:
        moving = self._months.some_time(self._random) if self._random.random() < 0.4 else None
        timestamp = moving or eras.some_time(self._random, datetime.now(eras.UTC))
        return some_event(self._random, user_id, source, timestamp)

    def _erase_under_load(self, user_id: str, mode: str, source: str | None, known: list[Event]) -> None:
        """Erase while others go on sending: new events, and those that are there already."""
        over = threading.Event()
        random = Random(self._random.random())
        sender = Sender(self._system, self._ledger, self._report, random)

        def go_on() -> None:
            while not over.is_set():
                of = random.choice(ERASED_SOURCES)
                again = [event for event in known if event.source == of]
                new = [_beside(random, random.choice(again)) for _ in range(random.choice([1, 1, 3]))]
                sender.send(new + random.sample(again, min(len(again), random.choice([0, 0, 2]))))

        thread = self._report.thread(f"load of {user_id}", go_on)
        thread.start()
        self._erase(user_id, mode, source)
        over.set()
        thread.join()
        self._report.count("erasures under load")
        with suppress(psycopg.Error), self._system.owner() as owner:
            if owner.execute(IS_FORGOTTEN, {"user_id": user_id}).fetchall() == [(True,)]:
                self._report.find("a user of whom events are stored isn't known", user_id)

    def _erase(self, user_id: str, mode: str, source: str | None) -> None:
        """Until it is acknowledged."""
        headers = self._system.of_source[source] if source else self._system.everything
        while not self._try(user_id, mode, source, headers):
            self._report.count("erasures asked for again")
            threading.Event().wait(PAUSE_SECONDS)
        self._report.count(f"{mode}d users" + (" of a source" if source else ""))

    def _try(self, user_id: str, mode: str, source: str | None, headers: dict[str, str]) -> bool:
        url = f"{self._system.a_query(self._random)}/users/{quote(user_id, safe='')}"
        sources = frozenset([source]) if source else None
        began = time.monotonic()

        def note(ended: float, is_done: bool = False) -> None:
            self._ledger.erase(user_id, Erasure(mode, sources, began, ended, is_done))

        try:
            answer = requests.delete(url, params={"mode": mode}, headers=headers, timeout=2 * TIMEOUT_SECONDS)
        except requests.RequestException:
            note(inf)
            return False
        if answer.status_code == 200:
            note(time.monotonic(), is_done=True)
            return True
        if answer.status_code not in (503, 504):
            self._report.find("an erasure was refused", self._system.logged(answer))
        if answer.json().get("code") not in DONE_NOTHING:
            note(inf)
        return False

    def _check_forgotten(self, user_id: str) -> None:
        """Of a user of whom nothing was sent since they were erased, nothing is answered."""
        sent = [one for one in self._ledger.all_sent() if one.event.user_id == user_id]
        if any(one.is_unsure for one in sent):
            return  # what got lost on its way may be stored at any time
        for ask, is_right in self._forgotten(user_id):
            try:
                answer = ask()
            except UnansweredError:
                continue
            if not is_right(answer):
                self._report.find("an erased user is answered", f"{answer.url}: {answer.status_code} {answer.text}")
            self._report.count("answers checked")

    def _forgotten(
        self, user_id: str
    ) -> list[tuple[Callable[[], requests.Response], Callable[[requests.Response], bool]]]:
        path = f"/users/{quote(user_id, safe='')}"
        return [
            (lambda: self._asker.request("GET", path), lambda answer: answer.status_code == 404),
            (
                lambda: self._asker.request("GET", "/events", params={"user_id": user_id}),
                lambda answer: answer.status_code == 200 and answer.json()["events"] == [],
            ),
        ]


def _beside(random: Random, event: Event) -> Event:
    """Another one of the same hour and type, so that both are counted by the same counters."""
    timestamp = event.timestamp.replace(minute=random.randrange(60), microsecond=random.randrange(1_000_000))
    timestamp = min(timestamp, datetime.now(eras.UTC) + timedelta(hours=1))
    return replace(event, timestamp=timestamp, event_id=UUID(int=random.getrandbits(128)))
