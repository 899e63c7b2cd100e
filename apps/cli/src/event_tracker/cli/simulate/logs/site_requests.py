"""The requests of a plan's visits.

A page view is a request of a page. The first one of a session has the link that led there; each has the site's styles behind it. All
other events are reports of the page to the site, which no reader of logs takes for views. Bots ask for products.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from event_tracker.cli.ingest.logs.request import Request
from event_tracker.cli.simulate.logs.clients import BOT, REFERRERS, address_of, browser_of
from event_tracker.cli.simulate.scenarios.description import Step
from event_tracker.cli.simulate.scenarios.plan import Plan, PlannedVisit
from event_tracker.cli.simulate.scenarios.site import PAGE_VIEW, Site
from event_tracker.cli.simulate.scenarios.truth.web_truth import View, WebSession

SESSION_SECONDS = 1800
"""The pause that ends a session. Logs have no session ids."""

VISITS_PER_BROKEN_LINK = 20
"""One visit in so many ends on a page that doesn't exist."""

EDGE_LOCATIONS = ("FRA56-P4", "FRA60-P1", "AMS58-P2")


class LoggedVisit(NamedTuple):
    """A visit: its requests in the order of their time, and the sessions of its page views."""

    visit: PlannedVisit
    requests: list[Request]
    sessions: list[WebSession]


def log_visits(plan: Plan) -> Iterator[LoggedVisit]:
    """Yield the visits of the plan, which must be of a web site."""
    numbers = {person.user_id: number for number, person in enumerate(plan.everybody)}
    site = plan.scenario.site
    assert site is not None
    for visit in plan.visits:
        yield _VisitLogger(site, plan, visit, numbers[visit.person.user_id]).log()


class _VisitLogger:
    """Makes the requests of one visit. `number` is the person's."""

    def __init__(self, site: Site, plan: Plan, visit: PlannedVisit, number: int) -> None:
        self._site, self._visit = site, visit
        self._arrived = site.of_visit(
            visit.person.traits, visit.chance % 100, is_first=visit.day == visit.person.first_day
        )
        self._number = number
        self._requests: list[Request] = []
        self._sessions: list[list[tuple[int, View]]] = []

    def log(self) -> LoggedVisit:
        visit, person = self._visit, self._visit.person
        for step, after in zip(visit.script.steps, visit.script.moments[person.pace], strict=True):
            second = (visit.start + after) // 1000
            if person.life.bot:
                self._add(second, f"/products/{person.traits['product']}")
            elif step.event_type == PAGE_VIEW:
                self._view(second, step)
            else:
                self._add(second, f"/api/{step.event_type}", method="POST", status=204, content_type=None)
        if not person.life.bot and visit.chance // 100 % VISITS_PER_BROKEN_LINK == 0:
            self._add(second, "/old-catalogue", status=404)
        return LoggedVisit(visit, self._requests, [_as_session(person.user_id, views) for views in self._sessions])

    def _view(self, second: int, step: Step) -> None:
        page = str(step.properties["page"])
        origin: dict[str, Any] = {"referrer": f"https://{self._site.host}/"}
        view = {"$source": "internal", "$channel": "internal"}
        if not self._sessions or second - self._sessions[-1][-1][0] > SESSION_SECONDS:
            self._sessions.append([])
            campaign = {name: value for name, value in self._arrived.items() if name.startswith("utm_")}
            origin = {"referrer": REFERRERS[self._arrived["$source"]], "query": urlencode(campaign) or None}
            view = {name: self._arrived[name] for name in ("$source", "$channel")} | campaign
        self._sessions[-1].append((second, {"page": page, **self._client_properties(), **view}))
        self._add(second, quote(page), **origin)
        self._add(second, "/assets/style.css", content_type="text/css", referrer=f"https://{self._site.host}/")

    def _client_properties(self) -> dict[str, Any]:
        properties = self._visit.person.everywhere
        browser = browser_of(properties)
        known = {name: properties[name] for name in ("$country", "$device_type")}
        return {"host": self._site.host, "$browser": browser.name, "$os": browser.system, **known}

    def _add(self, second: int, path: str, **more: Any) -> None:
        person = self._visit.person
        chance = self._visit.chance + len(self._requests)
        known: Mapping[str, Any] = {"method": "GET", "status": 200, "content_type": "text/html", **more}
        self._requests.append(
            Request(
                time=datetime.fromtimestamp(second, UTC),
                address=address_of(self._number),
                path=path,
                host=self._site.host,
                bytes=900 + chance % 40_000,
                seconds=(1 + chance % 700) / 1000,
                user_agent=BOT if person.life.bot else browser_of(person.everywhere).user_agent,
                request_id=_request_id(self._visit.chance, len(self._requests)),
                country=str(person.everywhere["$country"]),
                edge_location=EDGE_LOCATIONS[self._number % len(EDGE_LOCATIONS)],
                edge_result="Error" if known["status"] >= 400 else "Hit" if chance % 3 else "Miss",
                **known,
            )
        )


def _request_id(chance: int, number: int) -> str:
    """The id of a visit's request, of 56 characters, as CloudFront's have. `chance` is the visit's random number."""
    digest = hashlib.blake2b(f"{chance:x} {number}".encode(), digest_size=40).digest()
    return base64.urlsafe_b64encode(digest).decode()


def _as_session(user_id: str, views: list[tuple[int, View]]) -> WebSession:
    return WebSession(user_id, [view for _, view in views], float(views[-1][0] - views[0][0]))
