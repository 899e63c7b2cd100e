"""Scenarios: simulated traffic for which the right answers are known in advance (`tracker simulate --scenario`)."""

from event_tracker.cli.simulate.scenarios.portfolio import portfolio
from event_tracker.cli.simulate.scenarios.saas import saas
from event_tracker.cli.simulate.scenarios.shop import shop

SCENARIOS = {scenario.name: scenario for scenario in (shop, saas, portfolio)}
