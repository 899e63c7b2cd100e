"""GET /stats/paths."""

from collections import Counter
from typing import Any

from .events import Event, Selection, by_name, key_of, shortest
from .visits import sessions_of


def answer(
    events: list[Event],
    selection: Selection,
    start: str | None = None,
    direction: str = "next",
    depth: int = 3,
    by: str = "event_type",
    limit: int = 10,
    gap: int = 1800,
    longest: int = 86_400,
) -> dict[str, Any]:
    sessions = sessions_of(selection.of(events, gap, longest), gap, longest)
    walks = [walk for session in sessions for walk in walks_of(session, start, direction, depth, by)]
    listed, other = top(Counter(walks), limit)
    return {
        **selection.echo(),
        "start": start,
        "direction": direction,
        "depth": depth,
        "by": by,
        "occurrences": len(walks),
        "steps": [step_of(walks, step, limit) for step in range(1, depth + 1)],
        "paths": [{"keys": list(keys), "count": count, "share": count / len(walks)} for keys, count in listed],
        "other_paths": other,
    }


def walks_of(session: list[Event], start: str | None, direction: str, depth: int, by: str) -> list[tuple[str, ...]]:
    """From each occurrence in a session: its key and up to `depth` further ones."""
    keys = [key for event in session if (key := key_of(event, by)) is not None]
    if direction == "previous":
        keys.reverse()
    if start is not None and by != "event_type":
        start = shortest(start)
    occurrences = [n for n, key in enumerate(keys) if (n == 0 if start is None else key == start)]
    return [tuple(keys[n : n + depth + 1]) for n in occurrences]


def step_of(walks: list[tuple[str, ...]], step: int, limit: int) -> dict[str, Any]:
    transitions = Counter(
        (walk[step - 1], walk[step] if step < len(walk) else None) for walk in walks if step <= len(walk)
    )
    listed, other = top(transitions, limit)
    return {
        "step": step,
        "transitions": [{"source": source, "target": target, "count": n} for (source, target), n in listed],
        "other": other,
    }


def top(counts: Counter[Any], limit: int) -> tuple[list[tuple[Any, int]], int]:
    """The commonest, ties by their names one after the other; and how many occurrences the rest has."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], [by_name(name) for name in item[0]]))
    return ordered[:limit], sum(count for _, count in ordered[limit:])
