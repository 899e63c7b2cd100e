"""What the requests to the query service and their expected answers have in common."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from event_tracker.cli.simulate.scenarios.plan import Plan
from event_tracker.cli.simulate.scenarios.truth.check import Check, Request
from event_tracker.cli.simulate.scenarios.truth.tally import Tally

LIMIT = 50
"""More entries than any list has, so that whole lists are compared."""


def make_check(tally: Tally, name: str, path: str, parameters: Mapping[str, Any], answer: Mapping[str, Any]) -> Check:
    """Make the check of a GET request about the whole plan, or about its people without bots."""
    plan = tally.plan
    params = {**whole_range(plan), **parameters} | ({} if tally.bots else {"property.bot": "false"})
    echo = {"from": plan.midnights[0].isoformat(), "to": plan.midnights[-1].isoformat(), "tz": plan.scenario.zone}
    return Check(name, Request("GET", path, params), {**echo, **answer})


def whole_range(plan: Plan) -> dict[str, Any]:
    """The parameters for the plan's range of time, as dates in its time zone."""
    return {"from": str(plan.dates[0]), "to": str(plan.midnights[-1].date()), "tz": plan.scenario.zone}


def day_starts(plan: Plan) -> list[str]:
    return [midnight.isoformat() for midnight in plan.midnights[:-1]]


def week_starts(plan: Plan) -> list[str]:
    """The Monday of each week. The first may be before the start of the plan."""
    mondays = [plan.midnights[week.start] - timedelta(days=plan.dates[week.start].weekday()) for week in plan.weeks]
    return [monday.isoformat() for monday in mondays]


def ranked(counts: Mapping[Any, int], total: int, name: str) -> list[dict[str, Any]]:
    """The entries of a list, in its order: the highest count first, equal counts by name."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{name: value, "count": times, "share": rate(times, total)} for value, times in order]


def rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None
