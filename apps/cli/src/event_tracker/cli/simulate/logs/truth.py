"""The right answers about the logs of a plan, once they are read in."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from event_tracker.cli.simulate.logs.site_requests import LoggedVisit
from event_tracker.cli.simulate.scenarios.plan import Plan
from event_tracker.cli.simulate.scenarios.site import PAGE_VIEW
from event_tracker.cli.simulate.scenarios.truth.check import Check, Request, Truth
from event_tracker.cli.simulate.scenarios.truth.questions import LIMIT, day_starts, make_check, ranked
from event_tracker.cli.simulate.scenarios.truth.tally import Tally
from event_tracker.cli.simulate.scenarios.truth.web_truth import SESSION_LISTS, check_sessions

VIEWED = {"page": "page", "host": "host", "browser": "$browser", "os": "$os", "device_type": "$device_type"}
"""Lists of page views, as in `web_truth`."""

CAMPAIGNS = {"campaign": ("utm_campaign", 0), "medium": ("utm_medium", 0)}


def make_log_truth(plan: Plan, visits: Sequence[LoggedVisit], *, has_countries: bool) -> Truth:
    """The truth about these visits of the plan.

    Args:
        has_countries: whether the lines name the country.
    """
    tally = Tally(plan)
    types = _count_types(visits)
    sessions = [session for visit in visits for session in visit.sessions]
    viewed = VIEWED | ({"country": "$country"} if has_countries else {})
    checks = [
        _types(plan, types),
        _page_views_by_day(tally, visits),
        *check_sessions(tally, sessions, viewed, SESSION_LISTS | CAMPAIGNS),
    ]
    return Truth(
        scenario=plan.scenario.name,
        seed=plan.seed,
        start=plan.midnights[0].isoformat(),
        end=plan.midnights[-1].isoformat(),
        tz=plan.scenario.zone,
        facts={"events": {"stored": types.total(), **types}, "visitors": len({one.user_id for one in sessions})},
        checks=checks,
    )


def _count_types(visits: Sequence[LoggedVisit]) -> Counter[str]:
    """The events that are stored, by their type: what isn't a page, an error or a bot's is left out."""
    types: Counter[str] = Counter()
    for visit, requests, sessions in visits:
        if visit.person.life.bot:
            types["crawl"] += len(requests)
        else:
            types[PAGE_VIEW] += sum(len(session.views) for session in sessions)
            types["http_error"] += sum((request.status or 0) >= 400 for request in requests)
    return +types


def _types(plan: Plan, types: Counter[str]) -> Check:
    bounds = {"from": plan.midnights[0].isoformat(), "to": plan.midnights[-1].isoformat(), "limit": LIMIT}
    answer: dict[str, Any] = {"items": ranked(types, types.total(), "event_type"), "total": types.total()}
    return Check("event types", Request("GET", "/stats/top-types", bounds), answer)


def _page_views_by_day(tally: Tally, visits: Sequence[LoggedVisit]) -> Check:
    days: Counter[int] = Counter()
    for visit, _, sessions in visits:
        days[visit.day] += sum(len(session.views) for session in sessions)
    values = [days[day] for day in range(len(tally.plan.dates))]
    series = [{"kind": "all", "key": None, "values": values, "total": days.total()}]
    answer = {"points": day_starts(tally.plan), "series": series}
    parameters = {"interval": "day", "event_type": PAGE_VIEW}
    return make_check(tally, "page views by day", "/stats/timeseries", parameters, answer)
