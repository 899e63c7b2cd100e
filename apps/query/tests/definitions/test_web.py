"""GET /stats/web: page views, their sessions and visitors, and the range before."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given

from . import make, question_strategies
from .questions import T0, span, stats
from .reference.persons import Link
from .strategies import EXAMPLES
from .web_strategies import web_cases

WEB = stats("web", span())
HOUR, DAY = 3600, 86_400


@EXAMPLES
@given(case=web_cases(question_strategies.web))
def test_page_views_are_as_defined(product, case):
    product.holds(*case)


def view(user_id, at=0, page="/", **given):
    return make.event(user_id, at, "page_view", page=page, **given)


def test_sessions_of_a_site_are_of_page_views_alone(ask):
    events = [view("ann", 0), make.event("ann", 1700, "click"), view("ann", 3000), view("ann", 3060), view("bob")]
    totals = ask(events, WEB)["totals"]
    assert (totals["page_views"], totals["visitors"], totals["sessions"]) == (4, 2, 3)
    assert totals["duration"] == {"mean": 20, "median": 0}
    body = ask(events, stats("sessions", span(types=["page_view"])))
    assert [body[name] for name in ("sessions", "bounces", "bounce_rate")] == [
        totals[name] for name in ("sessions", "bounces", "bounce_rate")
    ]


def test_a_bounce_of_a_site_is_one_page_view(ask):
    events = [view("ann", 0), make.event("ann", 60, "buy"), view("bob", 0), view("bob", 60)]
    totals = ask(events, WEB)["totals"]
    assert (totals["sessions"], totals["bounces"], totals["bounce_rate"]) == (2, 1, 0.5)
    assert totals["views_per_session"] == 1.5


def test_other_types_are_page_views_if_the_question_says_so(ask):
    events = [view("ann"), make.event("ann", 60, "screen"), make.event("bob", 0, "screen")]
    totals = ask(events, stats("web", span(types=["screen"])))["totals"]
    assert (totals["page_views"], totals["sessions"], totals["bounces"]) == (2, 2, 2)
    assert ask(events, stats("web", span(types=["screen", "page_view"])))["totals"]["bounces"] == 1


def test_an_interval_has_the_sessions_with_a_page_view_in_it(ask):
    events = [view("ann", DAY - 600), view("ann", DAY + 600), view("bob", DAY)]
    body = ask(events, stats("web", span(end=timedelta(days=2))))
    assert body["totals"]["sessions"] == 2
    first, second = body["series"]
    assert (first["sessions"], first["bounce_rate"], first["duration_mean"]) == (1, 0, 1200)
    assert (second["sessions"], second["bounce_rate"], second["duration_mean"]) == (2, 0.5, 600)
    series = ask(events, stats("timeseries", span(end=timedelta(days=2), types=["page_view"]), metric="sessions"))
    assert series["series"][0]["values"] == [1, 2]


def test_a_long_session_is_cut_in_a_site_s_numbers_too(ask):
    events = [view("ann", at * DAY, session_id="s") for at in (0, 0.5, 1.1, 1.2, 2.05)] + [view("bob", DAY)]
    body = ask(events, stats("web", span(end=timedelta(days=3))))
    assert (body["totals"]["sessions"], body["totals"]["bounces"]) == (3, 1)
    assert [point["sessions"] for point in body["series"]] == [1, 2, 1]
    body = ask(events, stats("web", span(end=timedelta(days=3)), longest=DAY // 4))
    assert (body["totals"]["sessions"], body["totals"]["bounces"]) == (5, 4)


# Each with the beginning of the range before.
WHOLE_DAYS = {
    "a day": ("UTC", "2025-03-01", "2025-03-02", "2025-02-28T00:00:00+00:00"),
    "thirty days": ("UTC", "2025-03-01", "2025-03-31", "2025-01-30T00:00:00+00:00"),
    "the day after the clock went forward": ("Europe/Paris", "2025-03-31", "2025-04-01", "2025-03-30T00:00:00+01:00"),
    "the day on which it does": ("Europe/Paris", "2025-03-30", "2025-03-31", "2025-03-29T00:00:00+01:00"),
    "the day on which it goes back": ("Europe/Paris", "2025-10-26", "2025-10-27", "2025-10-25T00:00:00+02:00"),
    "a midnight that doesn't exist": ("America/Havana", "2025-03-09", "2025-03-10", "2025-03-08T00:00:00-05:00"),
    "after a midnight that doesn't exist": ("America/Havana", "2025-03-10", "2025-03-11", "2025-03-09T01:00:00-04:00"),
}


@pytest.mark.parametrize("days", WHOLE_DAYS.values(), ids=WHOLE_DAYS)
def test_whole_days_are_compared_with_as_many_days_before(product, days):
    zone, start, end, expected = days
    parameters = {"tz": zone, "from": start, "to": end}
    body = product.session.get(f"{product.query.url}/stats/web", params=parameters, timeout=30).json()
    assert (body["before"]["from"], body["before"]["to"]) == (expected.replace("+00:00", "Z"), body["from"])


def test_what_happened_on_the_days_before_is_counted(ask):
    events = [
        view("ann", -30 * HOUR),
        view("ann", -20 * HOUR),
        view("bob", -1),
        view("cem", -60 * HOUR),
        view("ann", 5),
    ]
    body = ask(events, stats("web", span(end=timedelta(days=2))))
    assert (body["totals"]["page_views"], body["before"]["totals"]["page_views"]) == (1, 3)
    assert (body["before"]["totals"]["visitors"], body["before"]["totals"]["sessions"]) == (2, 3)


def test_other_ranges_are_compared_with_one_of_the_same_length(ask):
    events = [view("ann", -5400), view("ann", -5401), view("bob", 0), view("cem", 5400)]
    body = ask(events, stats("web", span(end=timedelta(hours=1.5)), interval="hour"))
    assert body["before"]["from"] == "2025-02-28T22:30:00Z"
    assert (body["totals"]["page_views"], body["before"]["totals"]["page_views"]) == (1, 1)


def test_the_range_before_is_a_range_of_its_own(ask):
    events = [view("ann", -60), view("ann", 60), view("bob", -60), make.event("ann", -30, "buy"), view("ann", 90)]
    body = ask(events, WEB)
    assert (body["totals"]["sessions"], body["totals"]["bounces"]) == (1, 0)
    assert (body["before"]["totals"]["sessions"], body["before"]["totals"]["bounces"]) == (2, 2)
    buyers = json.dumps({"user": {"did": {"field": "event_type", "operator": "is", "value": "buy"}}})
    body = ask(events, stats("web", span(filters=[buyers])))
    assert (body["totals"]["visitors"], body["before"]["totals"]["visitors"]) == (0, 1)


def test_an_interval_that_is_cut_or_under_way_is_not_complete(ask):
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    now = span(today - timedelta(days=1, hours=5), today + timedelta(days=2))
    body = ask([view("ann", today)], stats("web", now))
    assert [point["complete"] for point in body["series"]] == [False, True, False, False]
    past = ask([], stats("web", span(T0 + timedelta(hours=1), timedelta(days=2))))
    assert [point["complete"] for point in past["series"]] == [False, True, False]


def test_an_empty_range_has_no_page_views(ask):
    body = ask([view("ann")], stats("web", span(end=T0)))
    assert (body["totals"]["page_views"], body["series"], body["totals"]["duration"]) == (0, [], None)
    assert body["before"]["from"] == body["before"]["to"] == body["from"]


def test_a_day_has_as_many_hours_as_its_clock_shows(ask):
    """Of which the two of one name are two points."""
    autumn = datetime.fromisoformat("2025-10-26T00:00:00+02:00")
    events = [view("ann", autumn + timedelta(hours=hours)) for hours in (0, 2.5, 3.5, 24.5)]
    selection = span(autumn, timedelta(hours=25), "Europe/Paris")
    body = ask(events, stats("web", selection, interval="hour"))
    assert [point["page_views"] for point in body["series"]] == [1, 0, 1, 1] + [0] * 20 + [1]
    assert all(point["complete"] for point in body["series"])
    assert body["before"]["from"] == "2025-10-25T00:00:00+02:00"


def test_visitors_are_persons(product):
    events = [view("anon"), view("ann", 60), view("bob")]
    links = [Link("anon", "ann", T0, events[0].event_id)]
    product.fill(events)
    product.link(links)
    for identity, visitors in (("linked", 2), ("raw", 3)):
        for question in (WEB, stats("web/top", span())):
            body = product.ask(replace(question, identity=identity), events, links)
            found = body["totals"]["visitors"] if "totals" in body else body["rows"][0]["visitors"]
            assert found == visitors


def test_a_site_of_some_sources_has_no_other_page_views(ask):
    events = [view("ann", source="shop"), view("ann", 60, source="blog"), view("bob", -60, source="blog")]
    body = ask(events, replace(WEB, sources=("shop",)))
    assert (body["totals"]["page_views"], body["totals"]["bounces"], body["before"]["totals"]["page_views"]) == (
        1,
        1,
        0,
    )
    assert ask(events, replace(WEB, sources=("blog", "shop")))["totals"]["bounces"] == 0


def test_before_is_null_where_there_is_no_time_before(product):
    parameters = {"from": "0002-01-05", "to": "0002-12-30", "interval": "month"}
    body = product.session.get(f"{product.query.url}/stats/web", params=parameters, timeout=30).json()
    assert (body["before"], body["totals"]["page_views"]) == (None, 0)
