"""At the end: random questions about everything that is stored, against the reference of docs/definitions.md."""

from bisect import bisect_left
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from definitions import questions
from definitions.product import Question
from definitions.questions import span, stats
from definitions.reference.events import Event, Selection
from definitions.reference.persons import persons_of
from definitions.reference.user_list import everybody

from .asking import Asker
from .eras import EXPIRED_BEFORE
from .linking import as_persons, find_links
from .readers import user_of
from .report import Report
from .system import BULK_SOURCE, ERASED_SOURCES, ORDINARY_SOURCES

MAX_EVENTS = 15_000
MAX_OF_A_USER = 30
"""The reference tries every chain of a user's events."""

SPANS = [timedelta(hours=1), timedelta(hours=5), timedelta(days=1), timedelta(days=3), timedelta(days=31)]
SOURCES: list[tuple[str, ...] | None] = [
    None,
    None,
    ("shop",),
    ORDINARY_SOURCES[:3],
    ERASED_SOURCES,
    (BULK_SOURCE, "blog"),
]
FUNNEL_SPANS = [timedelta(minutes=20), timedelta(hours=1), timedelta(hours=4)]


class Examiner:
    """Asks about the rows that there are.

    Args:
        rows: all; those of the expired era aren't asked about.
    """

    def __init__(self, asker: Asker, report: Report, random: Random, rows: list[Event]) -> None:
        self._asker, self._report, self._random, self._all = asker, report, random, rows
        self._rows = sorted((row for row in rows if row.timestamp >= EXPIRED_BEFORE), key=lambda row: row.timestamp)
        self._times = [row.timestamp for row in self._rows]
        self._links = find_links(rows)

    def ask(self, number: int) -> None:
        for _ in range(number if self._rows else 0):
            question, selection = self._some()
            # Who is new, or who a user is, depends on all events; anything else on those of the range.
            alone = question.path in ("/stats/users", "/stats/retention") or question.path.startswith("/users/")
            events = self._rows if alone else self._between(selection.start, selection.end)
            self._asker.check(question, question.answer(as_persons(events, self._links, question.sources)))
            self._report.count("answers checked at the end")

    def list_users(self) -> None:
        """GET /users of some sources: the whole list, in its order."""
        sources = ("shop", *ERASED_SOURCES)
        listed = self._asker.pages("/users", "users", source=sources, limit=100)
        expected = [user_of(one) for one in everybody(as_persons(self._all, self._links, sources))]
        if expected != list(map(user_of, listed)):
            wrong = [pair for pair in zip(expected, map(user_of, listed), strict=False) if pair[0] != pair[1]]
            self._report.find(
                "a wrong answer of GET /users at the end", f"{len(expected)} users, {len(listed)} listed: {wrong[:2]}"
            )

    def _between(self, start: datetime, end: datetime) -> list[Event]:
        return self._rows[bisect_left(self._times, start) : bisect_left(self._times, end)]

    def _some(self) -> tuple[Question, Selection]:
        random = self._random
        start = random.choice(self._times) - timedelta(minutes=random.choice([0, 1, 90]))
        end = start + random.choice(SPANS)
        if len(self._between(start, end)) > MAX_EVENTS:
            end = start + SPANS[0]
        zone = random.choice(["UTC", "UTC", "Europe/Paris", "Asia/Kolkata"])
        types, properties = random.choice([((), {}), ((), {}), (("view", "buy"), {}), ((), {"plan": "pro"})])
        selection = span(start, end, zone, types, properties)
        by, limit = random.choice(["event_type", "property:page"]), random.choice([1, 3, 10])
        sources = random.choice(SOURCES)
        match random.choice(
            ["timeseries", "users", "sessions", "top-properties", "retention", "paths", "funnel", "user"]
        ):
            case "timeseries":
                metric, breakdown = random.choice(["events", "users", "sessions"]), random.choice([None, by])
                interval = random.choice(["hour", "day"])
                asked = stats(
                    "timeseries", selection, interval=interval, metric=metric, breakdown=breakdown, limit=limit
                )
            case "users":
                asked = stats("users", selection, interval=random.choice(["day", "week"]))
            case "sessions":
                asked = stats("sessions", selection, gap=random.choice([60, 1800]), by=by, limit=limit)
            case "top-properties":
                asked = stats("top-properties", selection, key=random.choice(["page", "plan"]), limit=limit)
            case "retention":
                asked = stats("retention", selection, period=random.choice(["day", "week"]))
            case "paths":
                asked = stats("paths", selection, by=by, direction=random.choice(["next", "previous"]), limit=limit)
            case "funnel":
                selection = self._narrow(span(start, start + random.choice(FUNNEL_SPANS), zone), sources)
                steps = [("view", {}), ("buy", {}), ("view", {"plan": "pro"})]
                asked = questions.funnel(selection, random.sample(steps, random.choice([2, 3])), 1800)
            case _:
                selection = span(start, end, zone)
                user_id = random.choice(self._rows).user_id
                asked = questions.user(selection, persons_of(self._links, sources).get(user_id, user_id))
        return replace(asked, sources=sources), selection

    def _narrow(self, selection: Selection, sources: tuple[str, ...] | None) -> Selection:
        """Shortened until no user has many events in it."""
        while True:
            own = as_persons(self._between(selection.start, selection.end), self._links, sources)
            users = Counter(event.user_id for event in own)
            if max(users.values(), default=0) <= MAX_OF_A_USER:
                return selection
            selection = replace(selection, end=selection.start + (selection.end - selection.start) / 2)
