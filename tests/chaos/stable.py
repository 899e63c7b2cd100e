"""Events from before the chaos, and questions whose right answers can't change: whatever happens meanwhile is about others.

Stable users have events of the stable sources and types alone, and nobody else has: so a question by source, by type or by user
is about them. They live in months without a partition, which are filled and moved while the questions are asked.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from definitions import questions
from definitions.product import Question
from definitions.questions import span, stats
from definitions.reference.events import Event

from . import eras
from .system import STABLE_SOURCES

USERS = [f"stable-{number}" for number in range(8)]
TYPES = ["stable-view", "stable-view", "stable-buy", "stable-read"]
EVENTS_A_MONTH = 24
ZONES = ["UTC", "UTC", "Europe/Paris", "Asia/Kolkata", "America/New_York"]
SOURCES: list[tuple[str, ...]] = [STABLE_SOURCES, STABLE_SOURCES[:1], STABLE_SOURCES[1:]]
SOME_TYPES = [("stable-view",), ("stable-view", "stable-buy"), tuple(sorted(set(TYPES)))]
STEPS = [(name, page) for name in ("stable-view", "stable-buy") for page in ({}, {}, {"page": "/"})]


def stable_events(random: Random, now: datetime) -> list[Event]:
    """A few sessions in the first days of each stable month: where the month is filled, too."""
    found = []
    for month in eras.stable_months(now):
        for number in range(EVENTS_A_MONTH):
            fresh = eras.within(random, month, timedelta(days=4))
            timestamp = found[-1].timestamp + random.choice(GAPS) if number % 4 else fresh
            found.append(
                Event(
                    user_id=found[-1].user_id if number % 4 else random.choice(USERS),
                    event_type=random.choice(TYPES),
                    timestamp=timestamp,
                    event_id=UUID(int=random.getrandbits(128)),
                    session_id=random.choice([None, None, "s1"]),
                    properties={
                        "page": random.choice(["/", "/a", "é", 1, None]),
                        "plan": random.choice(["pro", "free"]),
                    },
                    source=random.choice(STABLE_SOURCES),
                )
            )
    return found


GAPS = [timedelta(seconds=seconds) for seconds in (0, 1, 60, 1799.999999, 1800, 1800.000001, 5400)]


def some_question(random: Random, events: list[Event]) -> Question:
    """About some of the stable months, by type or by source."""
    start = random.choice(events).timestamp - random.choice([timedelta(0), timedelta(days=1), timedelta(days=40)])
    end = start + timedelta(days=random.choice([1, 3, 31, 60, 200]))
    zone = random.choice(ZONES)
    by_type = span(start, end, zone, random.choice(SOME_TYPES))
    by_source = span(start, end, zone, random.choice([(), (), SOME_TYPES[0]]))
    sources = random.choice(SOURCES)
    selection, sources = random.choice([(by_type, None), (by_source, sources)])
    by = random.choice(["event_type", "property:page"])
    limit = random.choice([1, 2, 5, 10])
    unfiltered = span(start, end, zone)
    match random.choice(["timeseries", "users", "sessions", "top-properties", "paths", "funnel", "retention", "user"]):
        case "timeseries":
            metric, breakdown = random.choice(["events", "users", "sessions"]), random.choice([None, by])
            asked = stats("timeseries", selection, metric=metric, breakdown=breakdown, limit=limit)
        case "users":
            asked = stats("users", selection, interval=random.choice(["day", "week", "month"]))
        case "sessions":
            asked = stats("sessions", selection, gap=random.choice([60, 1800]), by=by, limit=limit)
        case "top-properties":
            asked = stats("top-properties", selection, key=random.choice(["page", "plan"]), limit=limit)
        case "paths":
            direction = random.choice(["next", "previous"])
            start_at = random.choice([None, "stable-view"])
            asked = stats("paths", selection, by="event_type", direction=direction, start=start_at, limit=limit)
        case "funnel":
            steps = [random.choice(STEPS) for _ in range(random.choice([2, 3]))]
            asked = questions.funnel(unfiltered, steps, random.choice([60, 1800, 86_400]))
        case "retention":  # a cohort is by events of any type, so its users are told apart by source alone
            asked, sources = (
                stats("retention", unfiltered, period=random.choice(["week", "month"])),
                random.choice(SOURCES),
            )
        case _:
            asked, sources = questions.user(unfiltered, random.choice(USERS)), random.choice([None, *SOURCES])
    return replace(asked, sources=sources)
