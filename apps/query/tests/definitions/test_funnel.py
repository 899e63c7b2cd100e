"""POST /stats/funnel."""

from datetime import timedelta
from uuid import UUID

from hypothesis import given

from . import asked
from .questions import T0, funnel, span
from .some import an
from .strategies import EXAMPLES, cases

VIEW_BUY = [("view", {}), ("buy", {})]


@EXAMPLES
@given(case=cases(asked.funnel, days=1, most=14, users=2, types=2, filters=False))
def test_funnels_are_as_defined(product, case):
    product.holds(*case)


def users(body):
    return [step["users"] for step in body["steps"]]


def test_exactly_the_window_still_converts(ask):
    hour = funnel(span(), VIEW_BUY, 3600)
    assert users(ask([an("ann", 0), an("ann", 3600, "buy")], hour)) == [1, 1]
    assert users(ask([an("ann", 0), an("ann", 3600.000001, "buy")], hour)) == [1, 0]
    three = funnel(span(), [("view", {}), ("cart", {}), ("buy", {})], 3600)
    assert users(ask([an("ann", 0), an("ann", 3000, "cart"), an("ann", 4000, "buy")], three)) == [1, 1, 0]


def test_any_first_step_may_start_the_funnel(ask):
    events = [an("ann", 0), an("ann", 5000), an("ann", 8000, "buy")]
    assert users(ask(events, funnel(span(), VIEW_BUY, 3600))) == [1, 1]


def test_steps_must_be_in_order(ask):
    assert users(ask([an("ann", 0, "buy"), an("ann", 1)], funnel(span(), VIEW_BUY))) == [1, 0]
    # Those of one moment are in the order in which they arrived, whatever their ids are.
    low, high = UUID(int=1), UUID(int=1 << 127)
    for first, second in ((low, high), (high, low)):
        view, buy = an("ann", event_id=first), an("ann", 0, "buy", event_id=second)
        assert users(ask([view, buy], funnel(span(), VIEW_BUY))) == [1, 1]
        assert users(ask([buy, view], funnel(span(), VIEW_BUY))) == [1, 0]


def test_one_event_is_one_step(ask):
    twice = funnel(span(), [("view", {}), ("view", {})])
    assert users(ask([an("ann")], twice)) == [1, 0]
    assert users(ask([an("ann"), an("ann")], twice)) == [1, 1]


def test_other_events_may_lie_between_steps(ask):
    events = [an("ann", 0), an("ann", 1, "search"), an("ann", 2), an("ann", 3, "buy")]
    assert users(ask(events, funnel(span(), VIEW_BUY))) == [1, 1]


def test_only_events_in_the_range_count_as_steps(ask):
    inside = funnel(span(T0, timedelta(hours=1)), VIEW_BUY)
    assert users(ask([an("ann", 3599), an("ann", 3600, "buy")], inside)) == [1, 0]
    assert users(ask([an("ann", -1), an("ann", 1, "buy")], inside)) == [0, 0]


def test_the_median_time_runs_from_the_latest_step_before(ask):
    events = [an("ann", 0), an("ann", 50), an("ann", 60, "buy"), an("ann", 500), an("ann", 501, "buy")]
    assert ask(events, funnel(span(), VIEW_BUY))["steps"][1]["median_seconds"] == 10
    events += [an("bob", 0), an("bob", 20.5, "buy")]
    assert ask(events, funnel(span(), VIEW_BUY))["steps"][1]["median_seconds"] == 15.25


def test_a_user_counts_once(ask):
    events = [an("ann", at, name) for at, name in [(0, "view"), (1, "buy"), (2, "view"), (3, "buy")]] + [an("bob")]
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
        an("ann", 0, page="/"),
        an("ann", 1, page="/buy", plan=1),
        an("bob", 0, page="/"),
        an("bob", 1, page="/buy"),
    ]
    assert users(ask(events, funnel(span(), steps))) == [2, 1]
