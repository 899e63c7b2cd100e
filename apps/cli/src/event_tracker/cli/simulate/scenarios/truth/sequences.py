"""Checks of sessions, funnel, retention and paths. docs/definitions.md says what the numbers mean."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from event_tracker.cli.simulate.scenarios.plan import Plan
from event_tracker.cli.simulate.scenarios.truth.check import Check, Request
from event_tracker.cli.simulate.scenarios.truth.questions import (
    LIMIT,
    day_starts,
    make_check,
    ranked,
    rate,
    week_starts,
    whole_range,
)
from event_tracker.cli.simulate.scenarios.truth.tally import Tally, key_of

DEPTH = 3


def sessions(tally: Tally, by: str) -> Check:
    key = key_of(by)
    entries: Counter[str | None] = Counter()
    exits: Counter[str | None] = Counter()
    durations: Counter[int] = Counter()
    bounces = 0
    for _, steps, lasts, times in tally.sessions():
        entries[key(steps[0])] += times
        exits[key(steps[-1])] += times
        durations[lasts] += times
        bounces += times if len(steps) == 1 else 0
    number = durations.total()
    lasted = sorted(durations.elements())
    answer = {
        "gap": 1800,
        "sessions": number,
        "users": tally.users,
        "events": tally.events,
        "bounces": bounces,
        "bounce_rate": rate(bounces, number),
        "events_per_session": rate(tally.events, number),
        "duration": {
            "mean": sum(lasted) / number / 1000,
            "median": percentile(lasted, 0.5) / 1000,
            "p90": percentile(lasted, 0.9) / 1000,
            "max": lasted[-1] / 1000,
        },
        "by": by,
        "entries": ranked(entries, number, "key"),
        "exits": ranked(exits, number, "key"),
    }
    without = "" if tally.bots else " without bots"
    return make_check(tally, f"sessions by {by}{without}", "/stats/sessions", {"by": by, "limit": LIMIT}, answer)


def percentile(values: Sequence[int], share: float) -> float:
    """The percentile of sorted values, interpolated like `percentile_cont` of SQL."""
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (place - below) * (values[above] - values[below])


def funnel(tally: Tally) -> Check:
    """Check the funnel. Bots are left out by a property of each step, since the request has no other filter."""
    plan = tally.plan
    goals = range(1, len(plan.scenario.funnel) + 1)
    users = [tally.reaching(goal) for goal in goals]
    only = {} if tally.bots else {"bot": "false"}
    wanted = [(event_type, {**properties, **only}) for event_type, properties in plan.scenario.funnel]
    steps = [
        {
            "event_type": event_type,
            "properties": properties,
            "users": now,
            "conversion": rate(now, users[0]),
            "step_conversion": rate(now, before) if goal > 1 else None,
            "dropped": before - now,
            "median_seconds": median(tally.waits[goal]) / 1000 if goal > 1 and now else None,
        }
        for goal, (event_type, properties), now, before in zip(goals, wanted, users, users[:1] + users, strict=False)
    ]
    body = {
        **whole_range(plan),
        "window": plan.scenario.window,
        "steps": [{"event_type": event_type, "properties": properties} for event_type, properties in wanted],
    }
    name = "funnel" if tally.bots else "funnel without bots"
    return Check(name, Request("POST", "/stats/funnel", body=body), {"window": plan.scenario.window, "steps": steps})


def retention_by_week(plan: Plan) -> Check:
    return _retention(plan, "week", week_starts(plan), plan.retained)


def retention_by_day(tally: Tally) -> Check:
    plan, days = tally.plan, len(tally.plan.dates)
    came = Counter((visit.person.first_day, visit.day) for visit in tally.visits)
    return _retention(
        plan, "day", day_starts(plan), [[came[first, day] for day in range(first, days)] for first in range(days)]
    )


def _retention(plan: Plan, period: str, starts: Sequence[str], retained: Iterable[Sequence[int]]) -> Check:
    cohorts = [
        {
            "start": start,
            "users": came[0],
            "retained": list(came),
            "rates": [rate(times, came[0]) for times in came],
        }
        for start, came in zip(starts, retained, strict=True)
    ]
    request = Request("GET", "/stats/retention", {**whole_range(plan), "period": period})
    return Check(f"retention by {period}", request, {"period": period, "cohorts": cohorts})


def paths(tally: Tally, start: str | None, direction: str) -> Check:
    by = tally.plan.scenario.paths_by
    key = key_of(by)
    walks: Counter[tuple[str, ...]] = Counter()
    for _, steps, _, times in tally.sessions():
        keys = [found for step in steps if (found := key(step)) is not None]
        if direction == "previous":
            keys.reverse()
        for place, found in enumerate(keys):
            if found == start if start is not None else place == 0:
                walks[tuple(keys[place : place + DEPTH + 1])] += times
    occurrences = walks.total()
    answer = {
        "start": start,
        "direction": direction,
        "depth": DEPTH,
        "by": by,
        "occurrences": occurrences,
        "steps": [{"step": step, "transitions": _transitions(walks, step), "other": 0} for step in range(1, DEPTH + 1)],
        "paths": [
            {"keys": list(keys), "count": times, "share": rate(times, occurrences)}
            for keys, times in sorted(walks.items(), key=lambda item: (-item[1], item[0]))
        ],
        "other_paths": 0,
    }
    parameters = {
        "by": by,
        "direction": direction,
        "depth": DEPTH,
        "limit": LIMIT,
        **({"start": start} if start else {}),
    }
    origin = f"from {start}" if start else "from the first" if direction == "next" else "from the last"
    return make_check(tally, f"paths, {direction}, {origin}", "/stats/paths", parameters, answer)


def _transitions(walks: Mapping[tuple[str, ...], int], step: int) -> list[dict[str, Any]]:
    """Count the transitions from this step of the paths to the next; the target after the last one is None."""
    found: Counter[tuple[str, str | None]] = Counter()
    for keys, times in walks.items():
        if len(keys) >= step:
            found[keys[step - 1], keys[step] if len(keys) > step else None] += times
    order = sorted(found.items(), key=lambda item: (-item[1], item[0][0], item[0][1] is None, item[0][1] or ""))
    return [{"source": source, "target": target, "count": times} for (source, target), times in order]
