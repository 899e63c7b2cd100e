"""GET /stats/web: page views, their sessions and visitors, and the range before."""

from datetime import timedelta

from hypothesis import given

from . import make, question_strategies
from .questions import span, stats
from .strategies import EXAMPLES
from .web_strategies import web_cases

WEB = stats("web", span())
TWO_DAYS = span(end=timedelta(days=2))


@EXAMPLES
@given(case=web_cases(question_strategies.web))
def test_page_views_are_as_defined(product, case):
    product.holds(*case)


def test_a_bounce_is_one_page_view(ask):
    events = [
        make.event("ann", 0, "page_view", page="/"),
        make.event("ann", 60, "buy"),
        make.event("bob", 0, "page_view"),
        make.event("bob", 60, "page_view"),
    ]
    totals = ask(events, WEB)["totals"]
    assert (totals["page_views"], totals["sessions"], totals["bounces"]) == (3, 2, 1)
    assert totals["duration"] == {"mean": 30, "median": 30}
