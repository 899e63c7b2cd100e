"""Traffic whose right answers are known in advance: `tracker simulate --scenario`."""

from tracker.scenarios.portfolio import portfolio
from tracker.scenarios.saas import saas
from tracker.scenarios.shop import shop

SCENARIOS = {scenario.name: scenario for scenario in (shop, saas, portfolio)}
