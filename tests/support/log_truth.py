"""What the query service answers about the invented site, against what its visitors did."""

from collections import Counter
from datetime import timedelta
from typing import Any

import requests
from log_site import DAYS, START, Truth


def check_answers(query: str, truth: Truth, *, with_countries: bool = True) -> None:
    """Ask for all that is known, and compare.

    Args:
        query: the URL of the query service.
        with_countries: whether the log had them.
    """
    countries = {"$country": truth.countries} if with_countries else {}

    def ask(path: str, **parameters: Any) -> Any:
        span = {"from": f"{START:%Y-%m-%d}", "to": f"{START + timedelta(days=DAYS + 2):%Y-%m-%d}", "tz": "UTC"}
        answer = requests.get(f"{query}{path}", {**span, "event_type": "page_view", **parameters}, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert ask("/stats/users", interval="day")["active"] == truth.visitors
    sessions = ask("/stats/sessions", by="property:page", limit=50)
    assert (sessions["sessions"], sessions["bounces"]) == (truth.sessions, truth.bounces)
    assert {row["key"]: row["count"] for row in sessions["entries"]} == truth.landing_pages
    assert {row["key"]: row["count"] for row in sessions["exits"]} == truth.exit_pages
    channels = ask("/stats/sessions", by="property:$channel", limit=50)
    by_channel: Counter[str] = Counter()
    for (_, channel), count in truth.landings_by_source.items():
        by_channel[channel] += count
    assert {row["key"]: row["count"] for row in channels["entries"]} == by_channel
    for name, counts in {"page": truth.pages, "$browser": truth.browsers, **countries}.items():
        items = ask("/stats/top-properties", key=name, limit=50)["items"]
        assert {row["value"]: row["count"] for row in items} == counts, name
    series = ask("/stats/timeseries", interval="day")["series"][0]["values"]
    days = [f"{START + timedelta(days=day):%Y-%m-%d}" for day in range(DAYS + 2)]
    assert series == [truth.days[day] for day in days]
