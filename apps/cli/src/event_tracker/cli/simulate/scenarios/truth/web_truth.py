"""Checks of web analytics: the site's numbers, and its pages, sources, places and devices (docs/definitions.md, page view)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from statistics import mean, median
from typing import Any, NamedTuple

from event_tracker.cli.simulate.scenarios.plan import PlannedVisit
from event_tracker.cli.simulate.scenarios.site import PAGE_VIEW
from event_tracker.cli.simulate.scenarios.traffic import site_properties
from event_tracker.cli.simulate.scenarios.truth.check import Check
from event_tracker.cli.simulate.scenarios.truth.questions import LIMIT, make_check, rate
from event_tracker.cli.simulate.scenarios.truth.tally import Tally

View = dict[str, Any]
"""The properties of a page view."""


class WebSession(NamedTuple):
    """The page views of a session, and the seconds from the first to the last."""

    user_id: str
    views: list[View]
    seconds: float


VIEWED = {"page": "page", "country": "$country", "city": "$city", "browser": "$browser"}
"""Lists in which each page view has its own key, and the property that is the key."""

SESSION_LISTS = {
    "entry": ("page", 0),
    "exit": ("page", -1),
    "source": ("$source", 0),
    "channel": ("$channel", 0),
}
"""Lists in which a session has the key of one of its page views: the property, and which page view."""


def web_checks(tally: Tally) -> Iterator[Check]:
    """Check the totals, and lists of each kind."""
    sessions = [session for visit in tally.visits for session in _sessions(tally, visit)]
    yield from check_sessions(tally, sessions, VIEWED, SESSION_LISTS)


def check_sessions(
    tally: Tally, sessions: list[WebSession], viewed: Mapping[str, str], edges: Mapping[str, tuple[str, int]]
) -> Iterator[Check]:
    """Check the totals of these sessions, and the lists that are named as VIEWED and SESSION_LISTS are."""
    yield make_check(tally, "web site", "/stats/web", {"interval": "month"}, {"totals": _totals(sessions)})
    for by, name in viewed.items():
        parts = [
            (key, [view for view in session.views if view.get(name) == key], session)
            for session in sessions
            for key in {view.get(name) for view in session.views}
        ]
        yield _top(tally, by, parts, _visitors(sessions))
    for by, (name, place) in edges.items():
        whole = [(session.views[place].get(name), session.views, session) for session in sessions]
        yield _top(tally, by, whole, _visitors(sessions))


def _sessions(tally: Tally, visit: PlannedVisit) -> Iterator[WebSession]:
    """Sessions are of page views alone, so one without any isn't one here."""
    script, person = visit.script, visit.person
    moments = script.moments[person.pace]
    for places in script.sessions:
        viewed = [place for place in places if script.steps[place].event_type == PAGE_VIEW]
        if viewed:
            steps = [script.steps[place] for place in viewed]
            views = [
                {**person.everywhere, **site_properties(tally.plan.scenario, visit, step), **step.properties}
                for step in steps
            ]
            yield WebSession(person.user_id, views, (moments[viewed[-1]] - moments[viewed[0]]) / 1000)


def _totals(sessions: list[WebSession]) -> dict[str, Any]:
    views, bounces = sum(len(session.views) for session in sessions), _bounces(sessions)
    seconds = [session.seconds for session in sessions]
    return {
        "page_views": views,
        "visitors": _visitors(sessions),
        "sessions": len(sessions),
        "bounces": bounces,
        "bounce_rate": rate(bounces, len(sessions)),
        "views_per_session": rate(views, len(sessions)),
        "duration": {"mean": mean(seconds), "median": median(seconds)},
    }


def _top(tally: Tally, by: str, parts: Iterable[tuple[str | None, list[View], WebSession]], everybody: int) -> Check:
    """Check a list. `parts` has the keys of each session, with the page views that count for the key."""
    found: dict[str | None, list[tuple[list[View], WebSession]]] = defaultdict(list)
    for key, views, session in parts:
        found[key].append((views, session))
    rows: list[dict[str, Any]] = []
    for key, its in found.items():
        sessions = [session for _, session in its]
        visitors = _visitors(sessions)
        rows.append(
            {
                "key": key,
                "visitors": visitors,
                "page_views": sum(len(views) for views, _ in its),
                "sessions": len(sessions),
                "bounce_rate": rate(_bounces(sessions), len(sessions)),
                "share": rate(visitors, everybody),
            }
        )
    rows.sort(key=lambda row: (-row["visitors"], -row["page_views"], row["key"] is None, row["key"] or ""))
    answer = {"by": by, "visitors": everybody, "rows": rows, "total": len(rows)}
    return make_check(tally, f"web site by {by}", "/stats/web/top", {"by": by, "limit": LIMIT}, answer)


def _visitors(sessions: Iterable[WebSession]) -> int:
    return len({session.user_id for session in sessions})


def _bounces(sessions: Iterable[WebSession]) -> int:
    return sum(len(session.views) == 1 for session in sessions)
