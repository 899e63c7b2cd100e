"""An invented web site whose numbers are known, since its visits are made first and the page views from them.

Nothing here looks for sessions: a visit is a list of pages with pauses that are never longer than half an hour, and the next visit of the
same visitor begins an hour later at least. So it is a truth that neither the product nor the reference has a part in.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import fmean, median
from typing import Any
from uuid import UUID

from .reference.events import Event

START = datetime(2025, 3, 28, tzinfo=UTC)
DAYS = 4
"""Numbers are asked for of the last half: the first one is the range before."""

PAGES = ["/", "/", "/", "/pricing", "/docs", "/docs/install", "/blog/1", "/blog/2", "/about"]
ORIGINS: list[tuple[str, str, dict[str, str]]] = [
    ("Google", "search", {"$source": "Google", "$channel": "search", "referrer": "https://www.google.com/"}),
    ("Google", "search", {"$source": "Google", "$channel": "search"}),
    ("newsletter", "campaign", {"utm_source": "Newsletter", "utm_medium": "email", "utm_campaign": "spring"}),
    ("news.example", "site", {"referrer": "https://www.News.example:8443/a?b=1"}),
    ("direct", "direct", {}),
]
"""Source, channel, and what the first page view has."""

DEVICES = [("PT", "Firefox"), ("FR", "Chrome"), ("FR", "Firefox"), (None, "Safari")]


@dataclass(frozen=True)
class Visit:
    """Page views of one visitor, each a moment and a page."""

    visitor: str
    origin: tuple[str, str, dict[str, str]]
    country: str | None
    browser: str
    views: tuple[tuple[datetime, str, dict[str, Any]], ...]
    source: str

    @property
    def seconds(self) -> float:
        return (self.views[-1][0] - self.views[0][0]).total_seconds()


def make_visits(seed: int, visitors: int = 60) -> list[Visit]:
    """Visits within a local day of UTC, so that none crosses an edge."""
    chance, visits = Random(seed), []
    for number in range(visitors):
        country, browser = chance.choice(DEVICES)
        source = chance.choice(["shop", "shop", "blog"])
        for day in sorted(chance.sample(range(DAYS), chance.randint(1, DAYS))):
            moment = START + timedelta(days=day, hours=chance.uniform(0, 5))
            for _ in range(chance.choice([1, 1, 2, 3])):
                views = []
                for _ in range(chance.choice([1, 1, 2, 3, 5, 8])):
                    views.append((moment, chance.choice(PAGES), _measure(chance)))
                    moment += timedelta(seconds=chance.choice([chance.randint(1, 600), 1800]))
                origin = chance.choice(ORIGINS)
                visits.append(Visit(f"v{number}", origin, country, browser, tuple(views), source))
                moment += timedelta(seconds=chance.randint(3600, 7200))
    return visits


def _measure(chance: Random) -> dict[str, Any]:
    hit = chance.random() < 0.7
    return {
        "edge_result": "Hit" if hit else "Miss",
        "bytes": chance.randint(1000, 90_000),
        "seconds": round(chance.uniform(0.001, 0.05) * (1 if hit else 30), 3),
    }


def make_events(visits: Iterable[Visit], seed: int) -> list[Event]:
    """The page views in any order, with other events between them."""
    chance, events = Random(seed), []
    for visit in visits:
        for number, (moment, page, measured) in enumerate(visit.views):
            properties = {
                "page": page,
                "$browser": visit.browser,
                **measured,
                **(visit.origin[2] if not number else {}),
            }
            if visit.country:
                properties["$country"] = visit.country
            events.append(_event(chance, visit, "page_view", moment, properties))
            if chance.random() < 0.3:
                later = moment + timedelta(seconds=chance.randint(0, 5000))
                kind = chance.choice(["outbound_click", "http_error", "crawl"])
                events.append(_event(chance, visit, kind, later, {"page": "/gone", "$country": "XX"}))
    chance.shuffle(events)
    return events


def _event(chance: Random, visit: Visit, kind: str, moment: datetime, properties: dict[str, Any]) -> Event:
    return Event(visit.visitor, kind, moment, UUID(int=chance.getrandbits(128)), None, properties, visit.source)


def between(visits: Iterable[Visit], first_day: int, last_day: int) -> list[Visit]:
    """The visits of some days, counted from the first."""
    start, end = (START + timedelta(days=day) for day in (first_day, last_day))
    return [visit for visit in visits if start <= visit.views[0][0] < end]


def totals(visits: list[Visit]) -> dict[str, Any]:
    bounces = sum(len(visit.views) == 1 for visit in visits)
    views = sum(len(visit.views) for visit in visits)
    return {
        "page_views": views,
        "visitors": len({visit.visitor for visit in visits}),
        "sessions": len(visits),
        "bounces": bounces,
        "bounce_rate": bounces / len(visits),
        "views_per_session": views / len(visits),
        "duration": {
            "mean": fmean(visit.seconds for visit in visits),
            "median": median(visit.seconds for visit in visits),
        },
    }


def rows(visits: list[Visit], by: str) -> dict[str | None, tuple[int, int, int, int]]:
    """By key: visitors, page views, sessions, bounces."""
    visitors, views, sessions, bounces = defaultdict(set), Counter(), Counter(), Counter()
    for visit in visits:
        for key, number in _count_keys(visit, by).items():
            visitors[key].add(visit.visitor)
            views[key] += number
            sessions[key] += 1
            bounces[key] += len(visit.views) == 1
    return {key: (len(visitors[key]), views[key], sessions[key], bounces[key]) for key in views}


def _count_keys(visit: Visit, by: str) -> Counter[str | None]:
    """The keys of a visit, and how many of its page views each has."""
    pages = [page for _, page, _ in visit.views]
    whole: dict[str, str | None] = {
        "entry": pages[0],
        "exit": pages[-1],
        "source": visit.origin[0],
        "channel": visit.origin[1],
        "campaign": visit.origin[2].get("utm_campaign"),
        "referrer": visit.origin[2].get("referrer"),
        "country": visit.country,
        "browser": visit.browser,
    }
    if by in whole:
        return Counter({whole[by]: len(pages)})
    return Counter(pages if by == "page" else [measured["edge_result"] for _, _, measured in visit.views])
