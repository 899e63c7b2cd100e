"""Those who ask while the chaos goes on, about what can't change: every answer must be the right one at every moment."""

import json
import threading
from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from definitions.product import Question
from definitions.reference.events import Event, of_sources
from definitions.reference.user_list import everybody

from . import stable
from .asking import Asker, UnansweredError
from .ledger import Key, key_of
from .report import Report
from .system import STABLE_SOURCES

PAUSE_SECONDS = 0.05
QUESTIONS = 120
WINDOW = timedelta(days=6)
"""What GET /events covers without a user is 7 days at most."""


Answered = tuple[Question, Any]


def answered_questions(random: Random, events: list[Event]) -> list[Answered]:
    """Questions about the stable events, with their right answers."""
    asked = [stable.some_question(random, events) for _ in range(QUESTIONS)]
    return [(one, one.answer(of_sources(events, one.sources))) for one in asked]


class Reader:
    """Asks one thing after the other about the stable events.

    Args:
        questions: with their answers, which are computed before the chaos begins.
    """

    def __init__(
        self, asker: Asker, report: Report, random: Random, events: list[Event], questions: list[Answered]
    ) -> None:
        self._asker, self._report, self._random = asker, report, random
        self._events, self._questions = events, questions
        self._ways = [self.ask] * 8 + [self.list_user, self.list_window, self.top_types, self.export, self.list_users]

    def run(self, stopping: threading.Event) -> None:
        while not stopping.wait(PAUSE_SECONDS):
            self.turn(self._random.choice(self._ways))

    def all_once(self) -> None:
        """Everything, where there is no reason why it shouldn't be answered."""
        for way in (self.list_user, self.list_window, self.top_types, self.export, self.list_users):
            way()
        for question, expected in self._questions:
            self._asker.check(question, expected)

    def turn(self, way: Any) -> None:
        try:
            way()
        except UnansweredError:
            self._report.count("questions given up")

    def ask(self) -> None:
        self._asker.check(*self._random.choice(self._questions))

    def list_user(self) -> None:
        """GET /events of one user, page after page."""
        user_id = self._random.choice(stable.USERS)
        listed = self._asker.pages("/events", "events", user_id=user_id, limit=self._random.choice([7, 50, 1000]))
        self._same_events(
            "GET /events of a user", [event for event in self._events if event.user_id == user_id], listed
        )

    def list_window(self) -> None:
        """GET /events of everybody, by type."""
        start = self._random.choice(self._events).timestamp - timedelta(days=1)
        bounds = {
            "from": start.isoformat(),
            "to": (start + WINDOW).isoformat(),
            "event_type": sorted(set(stable.TYPES)),
        }
        listed = self._asker.pages("/events", "events", limit=self._random.choice([5, 100]), **bounds)
        own = [event for event in self._events if start <= event.timestamp < start + WINDOW]
        self._same_events("GET /events of a window", own, listed)

    def export(self) -> None:
        """All of them as a file; a body that broke off isn't looked at."""
        answer = self._asker.request("GET", "/events/export", params={"source": STABLE_SOURCES})
        if answer.status_code != 200:
            self._report.find("an export was refused", f"{answer.url} {answer.status_code} {answer.text}")
            return
        listed = [json.loads(line) for line in answer.content.splitlines()]
        self._same_events("an export", self._events, listed)

    def list_users(self) -> None:
        """GET /users by source, and all of it, where others come and go meanwhile."""
        whole = self._random.random() < 0.3
        listed = self._asker.pages("/users", "users", limit=200, **({} if whole else {"source": STABLE_SOURCES}))
        found = Counter(user_of(one) for one in listed if one["user_id"] in stable.USERS)
        self._report.expect_same(
            f"a wrong answer of GET /users{'' if whole else ' by source'}",
            Counter(map(user_of, everybody(self._events))),
            found,
        )
        self._report.count("answers checked")

    def top_types(self) -> None:
        start = self._random.choice(self._events).timestamp
        end = start + timedelta(days=self._random.choice([1, 31, 100]))
        bounds = {"from": start.isoformat(), "to": end.isoformat()}
        body = self._asker.get("/stats/top-types", source=STABLE_SOURCES, **bounds)
        expected = Counter(event.event_type for event in self._events if start <= event.timestamp < end)
        found = Counter({item["event_type"]: item["count"] for item in body["items"]})
        self._report.expect_same("a wrong answer of top-types", expected, found)
        self._report.count("answers checked")

    def _same_events(self, what: str, expected: list[Event], listed: list[dict[str, Any]]) -> None:
        found = Counter(key_of_json(one) for one in listed)
        self._report.expect_same(f"a wrong answer of {what}", Counter(map(key_of, expected)), found)
        self._report.count("answers checked")


def key_of_json(event: dict[str, Any]) -> Key:
    """The key of an event as an answer has it."""
    return event["user_id"], datetime.fromisoformat(event["timestamp"]), UUID(event["event_id"])


def user_of(user: dict[str, Any]) -> tuple[str, datetime, datetime, int]:
    first, last = (_moment(user[name]) for name in ("first_seen", "last_seen"))
    return user["user_id"], first, last, user["events"]


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
