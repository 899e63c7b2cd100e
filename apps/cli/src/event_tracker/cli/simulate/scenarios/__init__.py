"""Scenarios: simulated traffic for which the right answers are known in advance (`tracker simulate --scenario`)."""

from event_tracker.cli.simulate.scenarios.businesses.portfolio import portfolio
from event_tracker.cli.simulate.scenarios.businesses.saas import saas
from event_tracker.cli.simulate.scenarios.businesses.shop import shop

SCENARIOS = {scenario.name: scenario for scenario in (shop, saas, portfolio)}
