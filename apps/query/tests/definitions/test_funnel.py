"""POST /stats/funnel."""

from datetime import timedelta
from uuid import UUID

from hypothesis import given

from . import make, question_strategies
from .questions import T0, funnel, span
from .strategies import EXAMPLES, cases

VIEW_BUY = [("view", {}), ("buy", {})]


@EXAMPLES
@given(case=cases(question_strategies.funnel, days=1, most=14, users=2, types=2))
def test_funnels_are_as_defined(product, case):
    product.holds(*case)


def users(body):
    return [step["users"] for step in body["steps"]]


def test_exactly_the_window_still_converts(ask):
    hour = funnel(span(), VIEW_BUY, 3600)
    assert users(ask([make.event("ann", 0), make.event("ann", 3600, "buy")], hour)) == [1, 1]
    assert users(ask([make.event("ann", 0), make.event("ann", 3600.000001, "buy")], hour)) == [1, 0]
    three = funnel(span(), [("view", {}), ("cart", {}), ("buy", {})], 3600)
    assert users(
        ask([make.event("ann", 0), make.event("ann", 3000, "cart"), make.event("ann", 4000, "buy")], three)
    ) == [1, 1, 0]


def test_any_first_step_may_start_the_funnel(ask):
    events = [make.event("ann", 0), make.event("ann", 5000), make.event("ann", 8000, "buy")]
    assert users(ask(events, funnel(span(), VIEW_BUY, 3600))) == [1, 1]


def test_steps_must_be_in_order(ask):
    assert users(ask([make.event("ann", 0, "buy"), make.event("ann", 1)], funnel(span(), VIEW_BUY))) == [1, 0]
    # Those of one moment are in the order in which they arrived, whatever their ids are.
    low, high = UUID(int=1), UUID(int=1 << 127)
    for first, second in ((low, high), (high, low)):
        view, buy = make.event("ann", event_id=first), make.event("ann", 0, "buy", event_id=second)
        assert users(ask([view, buy], funnel(span(), VIEW_BUY))) == [1, 1]
        assert users(ask([buy, view], funnel(span(), VIEW_BUY))) == [1, 0]


def test_one_event_is_one_step(ask):
    twice = funnel(span(), [("view", {}), ("view", {})])
    assert users(ask([make.event("ann")], twice)) == [1, 0]
    assert users(ask([make.event("ann"), make.event("ann")], twice)) == [1, 1]


def test_other_events_may_lie_between_steps(ask):
    events = [make.event("ann", 0), make.event("ann", 1, "search"), make.event("ann", 2), make.event("ann", 3, "buy")]
    assert users(ask(events, funnel(span(), VIEW_BUY))) == [1, 1]


def test_only_events_in_the_range_count_as_steps(ask):
    inside = funnel(span(T0, timedelta(hours=1)), VIEW_BUY)
    assert users(ask([make.event("ann", 3599), make.event("ann", 3600, "buy")], inside)) == [1, 0]
    assert users(ask([make.event("ann", -1), make.event("ann", 1, "buy")], inside)) == [0, 0]


def test_the_median_time_runs_from_the_latest_step_before(ask):
    events = [
        make.event("ann", 0),
        make.event("ann", 50),
        make.event("ann", 60, "buy"),
        make.event("ann", 500),
        make.event("ann", 501, "buy"),
    ]
    assert ask(events, funnel(span(), VIEW_BUY))["steps"][1]["median_seconds"] == 10
    events += [make.event("bob", 0), make.event("bob", 20.5, "buy")]
    assert ask(events, funnel(span(), VIEW_BUY))["steps"][1]["median_seconds"] == 15.25


def test_a_user_counts_once(ask):
    events = [make.event("ann", at, name) for at, name in [(0, "view"), (1, "buy"), (2, "view"), (3, "buy")]] + [
        make.event("bob")
    ]
    first, second = ask(events, funnel(span(), VIEW_BUY))["steps"]
    assert first == {
        "event_type": "view",
        "properties": {},
        "users": 2,
        "conversion": 1.0,
        "step_conversion": None,
        "dropped": 0,
        "median_seconds": None,
    }
    assert second == {
        "event_type": "buy",
        "properties": {},
        "users": 1,
        "conversion": 0.5,
        "step_conversion": 0.5,
        "dropped": 1,
        "median_seconds": 1.0,
    }


def test_a_funnel_that_nobody_enters_has_null_rates(ask):
    first, second = ask([], funnel(span(), VIEW_BUY))["steps"]
    assert (first["conversion"], second["conversion"], second["step_conversion"]) == (None, None, None)
    assert (second["dropped"], second["median_seconds"]) == (0, None)


def test_a_step_may_ask_for_properties(ask):
    steps = [("view", {"page": "/"}), ("view", {"page": "/buy", "plan": "1"})]
    events = [
        make.event("ann", 0, page="/"),
        make.event("ann", 1, page="/buy", plan=1),
        make.event("bob", 0, page="/"),
        make.event("bob", 1, page="/buy"),
    ]
    assert users(ask(events, funnel(span(), steps))) == [2, 1]
