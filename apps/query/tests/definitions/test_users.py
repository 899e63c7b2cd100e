"""Active, new and returning users: GET /stats/users."""

from datetime import timedelta

from hypothesis import given

from . import make, question_strategies
from .questions import T0, span, stats
from .strategies import EXAMPLES, cases

DAY = 86_400
TWO_DAYS = stats("users", span(end=timedelta(days=2)))


@EXAMPLES
@given(case=cases(question_strategies.users, days=8, users=5))
def test_users_are_as_defined(product, case):
    product.holds(*case)


def points(body):
    return [(point["active"], point["new"], point["returning"]) for point in [*body["points"], body]]


def test_a_user_is_counted_once_in_an_interval_and_once_in_the_total(ask):
    body = ask([make.event("ann", 0), make.event("ann", 1), make.event("ann", DAY), make.event("bob", DAY)], TWO_DAYS)
    assert [active for active, _, _ in points(body)] == [1, 2, 2]


def test_a_user_seen_before_the_range_is_returning(ask):
    assert points(ask([make.event("ann", -0.000001), make.event("ann", 0)], TWO_DAYS)) == [
        (1, 0, 1),
        (0, 0, 0),
        (1, 0, 1),
    ]
    inside = stats("users", span(T0 + timedelta(hours=6), timedelta(hours=6)))
    assert points(ask([make.event("ann", 0), make.event("ann", 7 * 3600)], inside)) == [(1, 0, 1), (1, 0, 1)]


def test_filters_do_not_change_when_a_user_was_first_seen(ask):
    events = [
        make.event("ann", -DAY, "view"),
        make.event("ann", 0, "buy"),
        make.event("bob", 0, "view"),
        make.event("bob", 1, "buy"),
    ]
    buyers = stats("users", span(types=["buy"]))
    assert points(ask(events, buyers)) == [(2, 1, 1), (2, 1, 1)]


def test_a_new_user_needs_a_selected_event(ask):
    buyers = stats("users", span(end=timedelta(days=2), types=["buy"]))
    body = ask([make.event("ann", 0, "view"), make.event("ann", DAY, "buy"), make.event("bob", 0, "view")], buyers)
    assert points(body) == [(0, 0, 0), (1, 0, 1), (1, 1, 0)]


def test_a_user_is_new_in_one_interval_and_returning_in_the_next(ask):
    body = ask([make.event("ann", 0), make.event("ann", DAY)], TWO_DAYS)
    assert points(body) == [(1, 1, 0), (1, 0, 1), (1, 1, 0)]


def test_an_older_event_that_arrives_late_moves_first_seen_back(ask, product):
    events = [make.event("ann", DAY)]
    assert points(ask(events, TWO_DAYS)) == [(0, 0, 0), (1, 1, 0), (1, 1, 0)]
    events.append(make.event("ann", -DAY))
    product.store(events[-1:])
    assert points(product.ask(TWO_DAYS, events)) == [(0, 0, 0), (1, 0, 1), (1, 0, 1)]
