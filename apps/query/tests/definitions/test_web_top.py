"""GET /stats/web/top: pages, sources, countries and so on."""

from hypothesis import given, settings

from . import question_strategies
from .strategies import EXAMPLES
from .web_strategies import web_cases


@settings(EXAMPLES, max_examples=60)
@given(case=web_cases(question_strategies.web_top))
def test_rows_are_as_defined(product, case):
    product.holds(*case)
