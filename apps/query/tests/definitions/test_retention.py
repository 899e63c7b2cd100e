"""GET /stats/retention."""

from datetime import UTC, datetime, timedelta

from hypothesis import given

from . import make, question_strategies
from .product import refused
from .questions import T0, span, stats
from .strategies import EXAMPLES, cases

DAY = 86_400


@EXAMPLES
@given(case=cases(question_strategies.retention, days=10, users=5))
def test_retention_is_as_defined(product, case):
    product.holds(*case)


def days(number, **given):
    return stats("retention", span(T0, timedelta(days=number), **given), period="day")


def cohorts(body):
    return [(cohort["users"], cohort["retained"]) for cohort in body["cohorts"]]


def test_retention_is_by_calendar_period(ask):
    assert cohorts(ask([make.event("ann", DAY - 60), make.event("ann", DAY + 60)], days(2))) == [(1, [1, 1]), (0, [0])]


def test_retained_means_active_in_that_very_period(ask):
    assert cohorts(ask([make.event("ann", 0), make.event("ann", 2 * DAY)], days(3)))[0] == (1, [1, 0, 1])


def test_a_user_seen_before_the_range_is_in_no_cohort(ask):
    assert cohorts(ask([make.event("ann", -1), make.event("ann", 0), make.event("ann", DAY)], days(2))) == [
        (0, [0, 0]),
        (0, [0]),
    ]
    inside = stats("retention", span(T0 + timedelta(hours=1), timedelta(hours=1)), period="day")
    assert cohorts(ask([make.event("ann", 0), make.event("ann", 3601)], inside)) == [(0, [0])]


def test_filters_say_who_is_retained_and_not_who_is_in_a_cohort(ask):
    events = [make.event("ann", 0), make.event("ann", DAY, "buy"), make.event("bob", 0), make.event("cem", 0, "buy")]
    body = ask(events, days(2, types=["buy"]))
    assert cohorts(body) == [(3, [1, 1]), (0, [0])]
    assert body["cohorts"][0]["rates"] == [1 / 3, 1 / 3]


def test_an_empty_cohort_has_null_rates(ask):
    (cohort,) = ask([], days(1))["cohorts"]
    assert cohort == {"start": "2025-03-01T00:00:00Z", "users": 0, "retained": [0], "rates": [None], "complete": [True]}


def test_every_cohort_has_an_entry_up_to_the_last_period(ask):
    weeks = stats("retention", span(T0, timedelta(days=10)), period="week")
    body = ask([make.event("ann", 0), make.event("ann", 9 * DAY), make.event("ann", 10 * DAY)], weeks)
    assert [cohort["start"][:10] for cohort in body["cohorts"]] == ["2025-02-24", "2025-03-03", "2025-03-10"]
    assert [cohort["complete"] for cohort in body["cohorts"]] == [[False, True, False], [True, False], [False]]
    assert cohorts(body) == [(1, [1, 0, 1]), (0, [0, 0]), (0, [0])]


def test_more_than_a_hundred_periods_are_refused(ask, product):
    assert len(ask([], days(100))["cohorts"]) == 100
    assert refused(product.get(days(101))) == ["too_many_points"]


def test_a_period_under_way_is_marked(ask):
    now = datetime.now(UTC)
    yesterday = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    body = ask([], stats("retention", span(yesterday, timedelta(days=4)), period="day"))
    complete = [cohort["complete"] for cohort in body["cohorts"]]
    # Where midnight has passed since, today is over.
    assert complete[0] in ([True, False, False, False], [True, True, False, False])
    assert complete[1:] == [complete[0][1:], complete[0][2:], complete[0][3:]]
