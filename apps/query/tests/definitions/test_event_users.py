"""GET /events/users: the users of the selected events."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from . import make, question_strategies
from .questions import T0, event_users, span, stats
from .strategies import EXAMPLES, cases

SORTS = pytest.mark.parametrize("sort", ["events", "last"])


@EXAMPLES
@given(case=cases(question_strategies.event_users, days=8, users=5))
def test_users_of_events_are_as_defined(product, case):
    product.holds(*case)


def listed(body):
    return [(one["user_id"], one["events"]) for one in body["users"]]


def test_only_selected_events_count(ask, product):
    events = [
        make.event("ann", 0, "view"),
        make.event("ann", 1, "buy"),
        make.event("bob", 2, "view"),
        make.event("ann", 86_400, "buy"),
    ]
    assert listed(ask(events, event_users(span()))) == [("ann", 2), ("bob", 1)]
    buyers = product.ask(event_users(span(end=timedelta(days=2), types=["buy"])), events)
    assert (listed(buyers), buyers["total"]) == ([("ann", 2)], 1)
    assert [buyers["users"][0][name] for name in ("first", "last")] == ["2025-03-01T00:00:01Z", "2025-03-02T00:00:00Z"]


@SORTS
def test_equal_users_are_in_byte_order_of_their_ids(ask, sort):
    events = [make.event(user_id) for user_id in ("😀", "b", "\uffff", "a", "é", "B")]
    body = ask(events, event_users(span(), sort=sort))
    assert [user_id for user_id, _ in listed(body)] == ["B", "a", "b", "é", "\uffff", "😀"]


def test_the_list_is_by_count_or_by_the_last_event(ask, product):
    events = [
        make.event("ann", 0),
        make.event("ann", 1),
        make.event("bob", 2),
        make.event("cem", 1.5),
        make.event("cem", 1.7),
        make.event("cem", 0),
    ]
    assert listed(ask(events, event_users(span()))) == [("cem", 3), ("ann", 2), ("bob", 1)]
    assert listed(product.ask(event_users(span(), sort="last"), events)) == [("bob", 1), ("cem", 3), ("ann", 2)]


@SORTS
def test_pages_hold_each_user_once(ask, product, sort):
    events = [make.event(f"u{number}", number % 3) for number in range(7)]
    ask(events, event_users(span(), sort=sort))
    pages = [product.ask(event_users(span(), sort=sort, limit=3, offset=offset), events) for offset in (0, 3, 6, 9)]
    assert [len(page["users"]) for page in pages] == [3, 3, 1, 0]
    assert {page["total"] for page in pages} == {7}
    assert len({user for page in pages for user, _ in listed(page)}) == 7


DAY = timedelta(days=1)
COHORTS = [
    make.event("ann", -86_400, "view"),
    make.event("ann", 60, "buy"),
    make.event("bob", 0, "view"),
    make.event("bob", 86_400, "buy"),
    make.event("cem", 86_399, "view"),
    make.event("cem", 86_400, "view"),
    make.event("dan", 86_400, "buy"),
]


def test_first_seen_is_as_in_retention(ask, product):
    both_days = span(end=2 * DAY)
    cohorts = ask(COHORTS, stats("retention", both_days, period="day"))["cohorts"]
    assert [cohort["retained"] for cohort in cohorts] == [[2, 2], [1]]
    second_day = span(start=T0 + DAY)
    for cohort, retained in enumerate(cohorts[0]["retained"]):
        cell = event_users(second_day if cohort else span(), first_seen=(T0, T0 + DAY))
        assert product.ask(cell, COHORTS)["total"] == retained
    body = product.ask(event_users(second_day, first_seen=(T0, T0 + DAY)), COHORTS)
    assert listed(body) == [("bob", 1), ("cem", 1)]
    assert listed(product.ask(event_users(second_day, first_seen=(T0 + DAY, None)), COHORTS)) == [("dan", 1)]
    assert listed(product.ask(event_users(both_days, first_seen=(None, T0)), COHORTS)) == [("ann", 1)]


def test_filters_do_not_change_when_users_of_events_were_first_seen(ask):
    buyers = span(end=2 * DAY, types=["buy"])
    assert listed(ask(COHORTS, event_users(buyers, first_seen=(T0, T0 + DAY)))) == [("bob", 1)]


def test_first_seen_of_users_of_events_is_by_the_sources_that_are_asked_about(ask, product):
    events = [
        make.event("ann", -86_400, source="blog"),
        make.event("ann", 0, source="shop"),
        make.event("bob", -86_400, source="shop"),
        make.event("bob", 0, source="shop"),
    ]
    of_the_day = event_users(span(), first_seen=(T0, T0 + DAY))
    assert listed(ask(events, replace(of_the_day, sources=("shop",)))) == [("ann", 1)]
    assert listed(product.ask(replace(of_the_day, sources=("shop", "blog")), events)) == []
    assert listed(product.ask(of_the_day, events)) == []
