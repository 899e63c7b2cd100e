"""Filters about sessions and users. That they do what the reference does in all questions is tested with each question."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests

from . import make
from .questions import T0, event_users, funnel, span, stats

DAY = 86_400
TWO_DAYS = timedelta(days=2)

Document = dict[str, Any]


def page(path: str) -> Document:
    return {"field": "property.page", "operator": "is", "value": path}


def of_type(name: str) -> Document:
    return {"field": "event_type", "operator": "is", "value": name}


def among(*documents: Document, end: timedelta = TWO_DAYS, **options: Any) -> Any:
    """GET /stats/sessions of two days with these filters."""
    return stats("sessions", span(end=end, filters=[json.dumps(one) for one in documents]), **options)


def users_of(*documents: Document, end: timedelta = TWO_DAYS, **options: Any) -> Any:
    """GET /stats/users of two days with these filters."""
    return stats("users", span(end=end, filters=[json.dumps(one) for one in documents]), **options)


VISITS = [
    # Ann lands on /pricing and leaves; the next day she comes back to it, and reads on.
    make.event("ann", 0, page="/pricing", referrer="https://search.example"),
    make.event("ann", DAY, page="/pricing", referrer="https://blog.example"),
    make.event("ann", DAY + 60, page="/signup"),
    # Bob comes to /pricing from the home page.
    make.event("bob", 0, page="/"),
    make.event("bob", 60, page="/pricing"),
    # Cem lands on /pricing within a session with an id, and leaves.
    make.event("cem", 30, page="/pricing", session_id="s"),
    # Dan lands elsewhere, and leaves.
    make.event("dan", 40, page="/docs"),
]


def totals(body: dict[str, Any]) -> tuple[int, int, int, int]:
    return body["sessions"], body["users"], body["events"], body["bounces"]


def test_users_of_events_are_listed_by_their_sessions(ask):
    landed = json.dumps({"session": {"entry": page("/pricing")}})
    body = ask(VISITS, event_users(span(end=TWO_DAYS, filters=[landed])))
    assert [(user["user_id"], user["events"]) for user in body["users"]] == [("ann", 3), ("cem", 1)]


def test_the_bounce_rate_of_who_landed_on_a_page(ask):
    body = ask(VISITS, among({"session": {"entry": page("/pricing")}}))
    assert (totals(body), body["bounce_rate"]) == ((3, 2, 4, 2), 2 / 3)
    body = ask(VISITS, among())
    assert (totals(body), body["bounce_rate"]) == ((5, 4, 7, 3), 3 / 5)


def test_who_came_from_somewhere(ask):
    came = {"field": "property.referrer", "operator": "starts_with", "value": "https://search."}
    assert totals(ask(VISITS, among({"session": {"entry": came}}))) == (1, 1, 1, 1)


def test_a_session_of_a_filter_has_all_its_events(ask):
    entry = {"session": {"entry": page("/pricing")}}
    events = [*VISITS, make.event("ann", DAY + 90, "buy"), make.event("bob", 90, "buy")]
    body = ask(events, among(entry, of_type("buy")))
    assert totals(body) == (1, 1, 1, 1)
    either = {"or": [{"and": [entry, of_type("buy")]}, page("/docs")]}
    assert totals(ask(events, among(either))) == (2, 2, 2, 2)
    # Bob's two events are one session by the gap that was asked for, and two by a shorter one.
    assert totals(ask(VISITS, among(entry, gap=59))) == (4, 3, 4, 4)
    assert totals(ask(VISITS, among(entry, longest=59, gap=DAY))) == (4, 3, 4, 4)


def test_an_entry_filter_selects_the_sessions_whose_first_event_is_selected(ask):
    opened = [
        make.event("ann", 0, "open"), make.event("ann", 0, page="/a"), make.event("ann", 1, page="/b"),
        make.event("bob", 0, page="/b"), make.event("bob", 1, page="/a"), make.event("bob", 2, "close"),
        make.event("cem", 0, "open"),
    ]  # fmt: skip
    views = of_type("view")
    for test, users in [
        ({"entry": page("/a")}, []),
        ({"entry": page("/a"), "among": views}, ["ann"]),
        ({"entry": of_type("open")}, ["ann", "cem"]),
        ({"exit": page("/b")}, ["ann"]),
        ({"exit": page("/a"), "among": views}, ["bob"]),
        ({"entry": {**page("/a"), "operator": "is_not"}, "among": views}, ["bob"]),
    ]:
        assert ask(opened, among({"session": test}))["users"] == len(users), test


def test_the_events_of_a_session_are_counted(ask):
    signup = page("/signup")
    for test, sessions in [
        ({"at_least": 2}, 2),
        ({"at_most": 1}, 3),
        ({"at_least": 1, "at_most": 2}, 5),
        ({"did": signup}, 1),
        ({"did_not": signup}, 4),
        ({"did": page("/pricing"), "at_least": 2}, 0),
        ({"did": page("/pricing"), "at_most": 1}, 5),
        ({"did": page("/pricing"), "at_least": 1, "at_most": 1}, 4),
    ]:
        assert ask(VISITS, among({"session": test}))["sessions"] == sessions, test


BOUGHT = [
    make.event("ann", -DAY, "buy"), make.event("ann", 0, "buy"), make.event("ann", DAY, "buy"),
    make.event("bob", -DAY, "buy"), make.event("bob", 10, "buy"), make.event("bob", DAY),
    make.event("cem", 0), make.event("cem", DAY, "sign up"),
    make.event("dan", 0), make.event("dan", 2 * DAY, "sign up"),
    make.event("eve", -DAY, "sign up"),
]  # fmt: skip


def test_the_events_of_a_user_are_counted_in_the_range(ask):
    buys = of_type("buy")
    before = {"from": (T0 - timedelta(days=1)).isoformat()}
    for test, users in [
        ({"did": buys, "at_least": 2}, ["ann"]),
        ({"did": buys}, ["ann", "bob"]),
        ({"did": buys, "at_most": 1}, ["bob", "cem", "dan"]),
        ({"did": buys, "at_least": 2, **before}, ["ann", "bob"]),
        ({"did": buys, "at_least": 3, **before}, ["ann"]),
        ({"did": buys, "at_least": 2, **before, "to": T0.isoformat()}, []),
        ({"did": buys, **before, "to": T0.isoformat()}, ["ann", "bob"]),
        ({"did": buys, "from": (T0 + timedelta(seconds=10)).isoformat()}, ["ann", "bob"]),
        ({"did": buys, "to": (T0 + timedelta(seconds=10)).isoformat()}, ["ann"]),
        ({"at_least": 2}, ["ann", "bob", "cem"]),
    ]:
        assert ask(BOUGHT, users_of({"user": test}))["active"] == len(users), test


def test_who_did_not_is_among_those_who_did_something_else(ask):
    signs_up = of_type("sign up")
    body = ask(BOUGHT, users_of({"user": {"did_not": signs_up}}))
    assert body["active"] == 3  # ann, bob and dan, who signs up when the range is over; eve does nothing in it
    later = {"to": (T0 + timedelta(days=3)).isoformat()}
    assert ask(BOUGHT, users_of({"user": {"did_not": signs_up, **later}}))["active"] == 2
    assert ask(BOUGHT, users_of({"user": {"did_not": signs_up}}, of_type("view")))["active"] == 2


def test_a_wider_range_of_a_filter_changes_nothing_else(ask):
    """A user who was first seen in the filter's range, but not in the question's, is returning."""
    anybody = {
        "user": {"did": of_type("buy"), "from": (T0 - TWO_DAYS).isoformat(), "to": (T0 + 2 * TWO_DAYS).isoformat()}
    }
    body = ask(BOUGHT, users_of(anybody))
    assert (body["active"], body["new"], body["returning"]) == (2, 0, 2)
    retained = ask(BOUGHT, stats("retention", span(end=TWO_DAYS, filters=[json.dumps(anybody)]), period="day"))
    assert [cohort["users"] for cohort in retained["cohorts"]] == [2, 0]


def test_events_of_other_sources_count_for_nothing_in_a_filter(product):
    events = [
        make.event("ann", 0, page="/", source="blog"), make.event("ann", 1, page="/pricing", source="shop"),
        make.event("ann", 2, "buy", source="shop"), make.event("ann", -5, "buy", source="blog"),
    ]  # fmt: skip
    product.fill(events)
    landed = among({"session": {"entry": page("/pricing")}})
    bought = users_of({"user": {"did": of_type("buy"), "at_least": 2, "from": (T0 - TWO_DAYS).isoformat()}})
    for sources, sessions, users in [(("shop",), 1, 0), (("blog",), 0, 0), (("blog", "shop"), 0, 1), (None, 0, 1)]:
        found = [product.ask(replace(question, sources=sources), events) for question in (landed, bought)]
        assert (found[0]["sessions"], found[1]["active"]) == (sessions, users)


def test_what_is_selected_are_whole_sessions(ask):
    """Also where a session that isn't selected lay between two of the same id, or of the same gap."""
    times = [0, 100, 200, 300, 400, 500]
    events = [make.event("ann", at, page=f"/{at // 200}") for at in times]
    events += [make.event("bob", at, page=f"/{at // 200}", session_id="s") for at in times]
    body = ask(events, among({"session": {"entry": {**page("/1"), "operator": "is_not"}}}, longest=150))
    assert (body["sessions"], body["events"], body["duration"]["max"]) == (4, 8, 100)


def test_a_funnel_and_its_steps_take_filters_of_sessions_and_users(ask):
    steps = [("view", {"page": "/pricing"}), ("view", {"page": "/signup"})]
    landed = json.dumps({"session": {"entry": page("/pricing")}})
    assert [step["users"] for step in ask(VISITS, funnel(span(end=TWO_DAYS, filters=[landed]), steps))["steps"]] == [
        2,
        1,
    ]
    often = json.dumps({"user": {"at_least": 3}})
    assert [step["users"] for step in ask(VISITS, funnel(span(end=TWO_DAYS, filters=[often]), steps))["steps"]] == [
        1,
        1,
    ]


REFUSED = ["/events", "/events/export", "/events/live"]


@pytest.mark.parametrize("path", REFUSED)
@pytest.mark.parametrize("about", ["session", "user"])
def test_where_events_are_listed_a_filter_is_about_events(product, path, about):
    document = json.dumps({"or": [page("/"), {about: {"at_least": 2}}]})
    answer = requests.get(product.query.url + path, params={"filter": ["event_type:set", document]}, timeout=30)
    assert answer.status_code == 422, answer.text
    assert [(error["parameter"], error["code"]) for error in answer.json()["errors"]] == [
        (f"filter.1.or.1.{about}", "events_only")
    ]
