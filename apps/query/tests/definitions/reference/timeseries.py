"""GET /stats/timeseries."""

from collections.abc import Callable
from typing import Any

from .calendar import intervals
from .events import Event, Selection, by_name, key_of
from .visits import sessions_of

Counting = Callable[[list[Event]], int]


def answer(
    events: list[Event],
    selection: Selection,
    interval: str = "day",
    metric: str = "events",
    breakdown: str | None = None,
    limit: int = 5,
    gap: int = 1800,
    longest: int = 86_400,
) -> dict[str, Any]:
    chosen = selection.of(events, gap, longest)
    spans = intervals(selection.start, selection.end, interval, selection.zone)
    count = counting(chosen, metric, gap, longest)

    def series(kind: str, key: str | None, its: list[Event]) -> dict[str, Any]:
        values = [count([event for event in its if first <= event.at < after]) for first, after in spans]
        return {"kind": kind, "key": key, "values": values, "total": count(its)}

    return {
        **selection.echo(),
        "interval": interval,
        "metric": metric,
        "breakdown": breakdown,
        "points": [first.astimezone(selection.zone) for first, _ in spans],
        "series": [series(*part) for part in parts(chosen, breakdown, limit, count)],
    }


def counting(chosen: list[Event], metric: str, gap: int, longest: int) -> Counting:
    """What a number means: how many events, how many users, or how many sessions they come from."""
    if metric == "events":
        return len
    if metric == "users":
        return lambda its: len({event.user_id for event in its})
    session = {
        (event.user_id, event.key): number
        for number, session in enumerate(sessions_of(chosen, gap, longest))
        for event in session
    }
    return lambda its: len({session[event.user_id, event.key] for event in its})


def parts(
    chosen: list[Event], breakdown: str | None, limit: int, count: Counting
) -> list[tuple[str, str | None, list[Event]]]:
    """Which events each series is of."""
    if breakdown is None:
        return [("all", None, chosen)]
    by_key: dict[str | None, list[Event]] = {}
    for event in chosen:
        by_key.setdefault(key_of(event, breakdown), []).append(event)
    missing = by_key.pop(None, [])
    keys = sorted(by_key, key=lambda key: (-count(by_key[key]), by_name(key)))
    found: list[tuple[str, str | None, list[Event]]] = [("value", key, by_key[key]) for key in keys[:limit]]
    if missing:
        found.append(("missing", None, missing))
    if keys[limit:]:
        found.append(("other", None, [event for key in keys[limit:] for event in by_key[key]]))
    return found
