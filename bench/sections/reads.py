"""Queries of a small and a large table: a user's newest 50 events, and the top types."""

import requests

from bench.contenders import OverHttp
from bench.contest import Line
from bench.services import Service
from bench.setup import Setup
from bench.tables import loaded_express, loaded_ours

NEWEST_CONNECTIONS = 32
TOP_CONNECTIONS = 1
"""One client: the peer's answer takes both cores for about a second, so a run counts few of them."""

PROCESSES = (1, 2)


def reads(setup: Setup) -> list[Line]:
    """Measure queries. Both sizes run in rotation, since they are compared with each other too."""
    with setup.services() as services:
        newest: list[OverHttp] = []
        top: list[OverHttp] = []
        for events in setup.sizes:
            ours = loaded_ours(setup.postgres, events)
            theirs = loaded_express(setup.postgres, events) if setup.express else ""
            started = [("ours", services.query(processes, ours)) for processes in PROCESSES]
            if theirs:
                started += [("express", services.express(processes, theirs)) for processes in PROCESSES]
            for kind, service in started:
                require_right(kind, service, events)
                newest.append(question(setup, kind, service, events, "newest"))
                if kind == "ours":
                    newest.append(question(setup, kind, service, events, "newest-full"))
                top.append(question(setup, kind, service, events, "top"))
        return setup.compete("Newest 50 of a user", newest) + setup.compete("Top types", top)


def question(setup: Setup, kind: str, service: Service, events: int, what: str) -> OverHttp:
    """A contender: a service that gets one kind of query."""
    files = {
        "newest": setup.requests.newest,
        "newest-full": setup.requests.newest_full,
        "top": setup.requests.top_types,
    }
    return OverHttp(
        service,
        files[what],
        TOP_CONNECTIONS if what == "top" else NEWEST_CONNECTIONS,
        setup.terms.warm_up,
        key=f"{what}/{kind}/{service.processes}/{events}",
        name=f"{service.name}, {human(events)} events" + (", busiest 100 users" if what == "newest-full" else ""),
    )


def human(events: int) -> str:
    """100 k, 10 M."""
    return f"{events // 1_000_000} M" if events >= 1_000_000 else f"{events // 1000} k"


def require_right(kind: str, service: Service, events: int) -> None:
    """Check the answers first: the busiest user's newest events fill a page, and the counts are those of the loaded events.

    Raises:
        RuntimeError: if they aren't.
    """
    page = requests.get(f"{service.url}/events?user_id=user_1&limit=50", headers=service.headers, timeout=60).json()
    top = requests.get(f"{service.url}/stats/top-types", headers=service.headers, timeout=60).json()
    listed = page["events"] if kind == "ours" else page
    first = top["items"][0] if kind == "ours" else top[0]
    total = top["total"] if kind == "ours" else events
    share = int(first["count"]) / events
    if len(listed) != 50 or first["event_type"] != "page_view" or not 0.35 < share < 0.45 or total != events:
        raise RuntimeError(f"{service.name} with {events} events answers wrongly: {len(listed)} events, {top}")
