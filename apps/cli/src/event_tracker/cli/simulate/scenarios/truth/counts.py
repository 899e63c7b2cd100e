"""Checks of the numbers of events, users and sessions, over time and by property."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from event_tracker.cli.simulate.scenarios.truth.check import Check, Request
from event_tracker.cli.simulate.scenarios.truth.questions import LIMIT, day_starts, make_check, ranked, week_starts
from event_tracker.cli.simulate.scenarios.truth.tally import Tally, key_of

SHOWN_REFERRERS = 2


def top_types(tally: Tally) -> Check:
    types = {key: days.total() for key, days in tally.by_day(key_of("event_type")).items()}
    bounds = {"from": tally.plan.midnights[0].isoformat(), "to": tally.plan.midnights[-1].isoformat()}
    return Check(
        "event types",
        Request("GET", "/stats/top-types", {**bounds, "limit": LIMIT}),
        {"items": ranked(types, tally.events, "event_type"), "total": tally.events},
    )


def per_day(tally: Tally) -> Iterable[Check]:
    """Check events, users and sessions of each day."""
    sessions: Counter[int] = Counter()
    events: Counter[int] = Counter()
    for cell, steps, _, times in tally.sessions():
        sessions[cell.day] += times
        events[cell.day] += times * len(steps)
    totals = {"events": tally.events, "users": tally.users, "sessions": sessions.total()}
    for metric, days in {"events": events, "users": tally.active, "sessions": sessions}.items():
        values = [days[day] for day in range(len(tally.plan.dates))]
        series = {"kind": "all", "key": None, "values": values, "total": totals[metric]}
        answer = {"interval": "day", "metric": metric, "points": day_starts(tally.plan), "series": [series]}
        yield make_check(tally, f"{metric} by day", "/stats/timeseries", {"interval": "day", "metric": metric}, answer)


def by_type(tally: Tally) -> Iterable[Check]:
    """Check the events of each type, by day and by week."""
    found = tally.by_day(key_of("event_type"))
    spans = {"day": [range(day, day + 1) for day in range(len(tally.plan.dates))], "week": tally.plan.weeks}
    for interval, periods in spans.items():
        series = [
            {
                "kind": "value",
                "key": key,
                "values": [sum(days[day] for day in period) for period in periods],
                "total": days.total(),
            }
            for key, days in sorted(found.items(), key=lambda item: (-item[1].total(), item[0]))
        ]
        points = day_starts(tally.plan) if interval == "day" else week_starts(tally.plan)
        parameters = {"interval": interval, "breakdown": "event_type", "limit": LIMIT}
        answer = {"points": points, "series": series}
        yield make_check(tally, f"event types by {interval}", "/stats/timeseries", parameters, answer)


def by_referrer(tally: Tally) -> Check:
    """Check the most frequent referrers, the others, and events without one: all except the first of each user."""
    plan, name = tally.plan, tally.plan.scenario.on_arrival.name
    first: dict[str, Counter[int]] = {}
    for person in plan.everybody:
        if (value := person.traits[name]) is not None:
            first.setdefault(value, Counter())[person.first_day] += 1
    order = sorted(first.items(), key=lambda item: (-item[1].total(), item[0]))
    missing: Counter[int] = Counter()
    for days in tally.by_day(key_of("event_type")).values():
        missing.update(days)
    for days in first.values():
        missing.subtract(days)
    other: Counter[int] = Counter()
    for _, days in order[SHOWN_REFERRERS:]:
        other.update(days)
    shown = [("value", key, days) for key, days in order[:SHOWN_REFERRERS]]
    rest = [(kind, None, days) for kind, days in (("missing", missing), ("other", other)) if days.total()]
    series = [
        {
            "kind": kind,
            "key": key,
            "values": [days[day] for day in range(len(plan.dates))],
            "total": days.total(),
        }
        for kind, key, days in shown + rest
    ]
    parameters = {"interval": "day", "breakdown": f"property:{name}", "limit": SHOWN_REFERRERS}
    return make_check(tally, f"{name}s by day", "/stats/timeseries", parameters, {"series": series})


def users_by_day(tally: Tally) -> Check:
    new = Counter(person.first_day for person in tally.plan.everybody)
    days = [(tally.active[day], new[day]) for day in range(len(tally.plan.dates))]
    return _users(tally, "day", day_starts(tally.plan), days)


def ids_of_users(tally: Tally) -> Check:
    """Check that without links each user who signs in is two: one before, one after."""
    ids = tally.users + tally.signed_in
    answer = {"identity": "raw", "active": ids, "new": ids, "returning": 0}
    return make_check(
        tally, "ids before and after sign-in", "/stats/users", {"interval": "day", "identity": "raw"}, answer
    )


def users_by_week(tally: Tally) -> Check:
    retained = tally.plan.retained
    active = [sum(retained[week][now - week] for week in range(now + 1)) for now in range(len(retained))]
    weeks = [(users, retained[week][0]) for week, users in enumerate(active)]
    return _users(tally, "week", week_starts(tally.plan), weeks)


def _users(tally: Tally, interval: str, times: Sequence[str], counts: Iterable[tuple[int, int]]) -> Check:
    points = [
        {"time": time, "active": active, "new": new, "returning": active - new}
        for time, (active, new) in zip(times, counts, strict=True)
    ]
    answer = {"points": points, "active": tally.users, "new": tally.users, "returning": 0}
    return make_check(tally, f"active and new users by {interval}", "/stats/users", {"interval": interval}, answer)


def top_properties(tally: Tally) -> Iterable[Check]:
    """Check the values of every trait, and of the properties with fixed values in the scripts."""
    scenario = tally.plan.scenario
    traits = (*scenario.everywhere, scenario.on_arrival, *scenario.sometimes)
    counts: dict[str, Mapping[str, int]] = {trait.name: tally.trait(trait.name) for trait in traits}
    fixed = {name for cell in tally.cells for step in cell.script.steps for name in step.properties}
    for name in sorted(fixed):
        by_day = tally.by_day(key_of(f"property:{name}"))
        counts[name] = {value: days.total() for value, days in by_day.items()}
    if scenario.has_bots:
        bots = sum(times * len(cell.script.steps) for cell, times in tally.cells.items() if cell.bot)
        counts["bot"] = {"false": tally.events - bots, "true": bots}
    for name, values in counts.items():
        total = sum(values.values())
        answer = {"items": ranked(values, total, "value"), "total": total, "missing": tally.events - total}
        yield make_check(tally, f"property {name}", "/stats/top-properties", {"key": name, "limit": LIMIT}, answer)
