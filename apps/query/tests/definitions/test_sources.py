"""Questions about some sources: `source=` on every endpoint."""

from dataclasses import replace
from datetime import timedelta

from . import make
from .questions import funnel, span, stats, user

DAY = 86_400
TWO_DAYS = span(end=timedelta(days=2))


def of(question, *sources):
    return replace(question, sources=sources)


def test_events_of_other_sources_count_for_nothing(ask):
    events = [
        make.event("ann", 0, "view", source="shop"),
        make.event("ann", 60, "buy", source="blog"),
        make.event("bob", 0, source="blog"),
    ]
    body = ask(events, of(stats("timeseries", span(), breakdown="event_type"), "shop"))
    assert [(one["key"], one["total"]) for one in body["series"]] == [("view", 1)]
    assert ask(events, of(stats("sessions", span()), "shop"))["bounces"] == 1
    assert ask(events, of(stats("top-properties", span(), key="page"), "shop"))["missing"] == 1
    assert ask(events, of(stats("paths", span(), depth=1), "shop"))["paths"][0]["keys"] == ["view"]
    steps = ask(events, of(funnel(span(), [("view", {}), ("buy", {})]), "shop"))["steps"]
    assert [step["users"] for step in steps] == [1, 0]
    assert ask(events, of(user(span(), "bob"), "shop"))["code"] == "user_not_found"


def test_sources_that_are_asked_about_together_are_one(ask):
    events = [make.event("ann", 0, "view", source="shop"), make.event("ann", 60, "buy", source="blog")]
    assert ask(events, of(stats("sessions", span()), "shop", "blog"))["sessions"] == 1
    steps = ask(events, of(funnel(span(), [("view", {}), ("buy", {})]), "shop", "blog"))["steps"]
    assert [step["users"] for step in steps] == [1, 1]


def test_first_seen_is_by_the_sources_that_are_asked_about(ask):
    events = [
        make.event("ann", -DAY, source="blog"),
        make.event("ann", 0, source="shop"),
        make.event("ann", DAY, source="shop"),
    ]
    body = ask(events, of(stats("users", TWO_DAYS), "shop"))
    assert [(point["new"], point["returning"]) for point in body["points"]] == [(1, 0), (0, 1)]
    assert ask(events, of(stats("retention", TWO_DAYS, period="day"), "shop"))["cohorts"][0]["retained"] == [1, 1]
    assert ask(events, of(stats("users", TWO_DAYS), "shop", "blog"))["new"] == 0
    assert ask(events, of(user(TWO_DAYS, "ann"), "shop"))["first_seen"] == "2025-03-01T00:00:00Z"


def test_filters_do_not_change_when_a_user_was_first_seen_in_a_source(ask):
    events = [make.event("ann", -DAY, "view", source="shop"), make.event("ann", 0, "buy", source="shop")]
    assert ask(events, of(stats("users", span(end=timedelta(days=2), types=["buy"])), "shop"))["new"] == 0


def test_a_source_that_does_not_exist_has_no_events(ask):
    body = ask([make.event("ann")], of(stats("users", span()), "nowhere"))
    assert (body["active"], len(body["points"])) == (0, 1)
