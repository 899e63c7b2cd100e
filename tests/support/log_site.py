"""Requests of an invented web site whose right answers are known: what a log of it would have.

Visits have traps: a redirect in front, assets, ranges, clients that leave, bots, IPv6 addresses in two spellings, names of pages in two
spellings, two views in one second, and parameters that nobody may store.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from event_tracker.cli.ingest.logs.request import Request

HOST = "www.example.com"
START = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 3

PEOPLE = [  # browser, device type, user agent
    ("Chrome", "desktop", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"),
    ("Chrome Mobile", "mobile", "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36"),
    ("Chrome", "tablet", "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"),
    ("Firefox", "desktop", "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"),
]  # fmt: skip
BOTS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "curl/8.7.1",
]
PAGES = {  # the name, and how it is written in requests
    "/": ("/",),
    "/pricing": ("/pricing",),
    "/docs/install.html": ("/docs/install.html",),
    "/blog/café": ("/blog/caf%C3%A9", "/blog/caf%c3%a9"),
    "/blog/release-2.0": ("/blog/release-2.0",),
}
SOURCES = {  # source and channel, and the referrer and query of the first page
    ("direct", "direct"): (None, None),
    ("Google", "search"): ("https://www.google.com/", None),
    ("X", "social"): ("https://t.co/AbC123", "email=carol%40example.com&token=s3cret"),
    ("ChatGPT", "assistant"): ("https://chatgpt.com/", None),
    ("news.example", "site"): ("https://www.news.example/2026/10/mugs", None),
    ("newsletter", "email"): (None, "utm_source=Newsletter&utm_medium=email&utm_campaign=autumn%20sale"),
    ("Google", "paid"): ("https://www.google.com/", "utm_source=google&utm_medium=cpc&gclid=EAIaIQ"),
}
COUNTRIES = ("DE", "FR", "PT")


@dataclass
class Truth:
    """What the visitors did. Counters are of page views, if nothing else is said."""

    page_views: int = 0
    visitors: int = 0
    sessions: int = 0
    bounces: int = 0
    crawls: int = 0
    errors: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    days: Counter[str] = field(default_factory=Counter)
    pages: Counter[str] = field(default_factory=Counter)
    landing_pages: Counter[str] = field(default_factory=Counter)
    exit_pages: Counter[str] = field(default_factory=Counter)
    landings_by_source: Counter[tuple[str, str]] = field(default_factory=Counter)
    browsers: Counter[str] = field(default_factory=Counter)
    devices: Counter[str] = field(default_factory=Counter)
    countries: Counter[str] = field(default_factory=Counter)


class LogSite:
    """The site.

    Attributes:
        requests: in the order of their time, with a request id.
        truth: the right answers about them.
    """

    def __init__(self, seed: int, visitors: int = 60) -> None:
        self._random = random.Random(seed)
        self.truth = Truth(visitors=visitors)
        self.requests: list[Request] = []
        for number in range(visitors):
            self._add_visitor(number)
        for number in range(5):
            self._add_bot(number)
        self.requests.sort(key=lambda request: request.time)  # stable: two of one second stay as they are

    def _add(self, time: datetime, address: str, agent: str, path: str, **more: Any) -> None:
        given = {"host": HOST, "status": 200, "content_type": "text/html", "bytes": 1000, **more}
        name = f"{self._random.getrandbits(300):075x}=="
        self.requests.append(
            Request(time, address, given.pop("method", "GET"), path, user_agent=agent, request_id=name, **given)
        )

    def _add_visitor(self, number: int) -> None:
        choose = self._random
        browser, device, agent = choose.choice(PEOPLE)
        country = choose.choice(COUNTRIES)
        spellings = [f"198.51.100.{number + 1}"]
        if number % 4 == 3:
            spellings = [f"2001:db8:{number:x}::7", f"2001:0DB8:{number:04X}:0000:0000:0000:0000:0007"]
        time = START + timedelta(seconds=choose.randrange(86400))
        for _ in range(choose.choice([1, 1, 2, 3])):
            seen = self._add_visit(time, spellings, agent, country)
            self.truth.browsers[browser] += len(seen)
            self.truth.devices[device] += len(seen)
            time = seen[-1] + timedelta(seconds=choose.randrange(1801, 40_000))

    def _add_visit(self, time: datetime, spellings: list[str], agent: str, country: str) -> list[datetime]:
        """Add a visit; return the times of its page views."""
        choose, truth = self._random, self.truth
        source, (referrer, query) = choose.choice(list(SOURCES.items()))
        if choose.random() < 0.2:
            self._add(time - timedelta(seconds=1), spellings[0], agent, "/old", status=301, content_type=None)
            truth.left_out["redirect"] += 1
        names, times = [], []
        for place in range(choose.choice([1, 1, 2, 3, 5])):
            name = choose.choice(list(PAGES))
            names.append(name)
            times.append(time)
            came = {"referrer": referrer, "query": query} if place == 0 else {"referrer": f"https://{HOST}/"}
            again = {"status": 304, "content_type": None} if place and choose.random() < 0.2 else {}
            address = choose.choice(spellings)
            self._add(time, address, agent, choose.choice(PAGES[name]), country=country, **came, **again)
            self._add(time, address, agent, "/app.css", content_type="text/css")
            truth.left_out["asset"] += 1
            time += timedelta(seconds=choose.choice([0, *range(5, 1500, 60)]))
        self._add_others(times[-1], spellings[0], agent)
        truth.page_views += len(names)
        truth.sessions += 1
        truth.bounces += len(names) == 1
        truth.pages.update(names)
        truth.days.update(f"{time:%Y-%m-%d}" for time in times)
        truth.landing_pages[names[0]] += 1
        truth.exit_pages[names[-1]] += 1
        truth.landings_by_source[source] += 1
        truth.countries[country] += len(names)
        return times

    def _add_others(self, time: datetime, address: str, agent: str) -> None:
        """Add requests that are no page views, each in some visits."""
        choose, truth = self._random, self.truth
        if choose.random() < 0.2:
            self._add(time, address, agent, "/missing", status=404)
            truth.errors += 1
        if choose.random() < 0.2:
            self._add(time, address, agent, "/", status=0, content_type=None)
            truth.errors += 1
        if choose.random() < 0.2:
            self._add(time, address, agent, "/intro.mp4", status=206, content_type="video/mp4")
            truth.left_out["asset"] += 1
        if choose.random() < 0.2:
            self._add(time, address, agent, "/contact", method="POST")
            truth.left_out["http_post"] += 1

    def _add_bot(self, number: int) -> None:
        time = START + timedelta(seconds=self._random.randrange(86400))
        for place in range(self._random.randrange(3, 12)):
            method = "HEAD" if place % 3 == 2 else "GET"
            path = self._random.choice(["/", "/pricing", "/robots.txt"])
            self._add(
                time + timedelta(seconds=place), f"198.18.0.{number}", BOTS[number % len(BOTS)], path, method=method
            )
            self.truth.crawls += 1

    def as_another_log(self) -> list[Request]:
        """The same requests as another log of the server has them: in another order, with finer times, with less."""
        choose = random.Random(1)
        others = [
            request._replace(
                time=request.time + timedelta(milliseconds=choose.randrange(1000)), bytes=None, edge_location="FRA56-P4"
            )
            for request in self.requests
        ]
        choose.shuffle(others)
        return others
