"""POST /stats/funnel, by trying every chain of events."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import combinations, groupby
from typing import Any

from .events import Event, Selection, as_value, percentile, seconds, selects, share, shortest

Step = tuple[str, dict[str, str]] | tuple[str, dict[str, str], str]
"""An event type, properties, and perhaps a filter (JSON)."""


def matches(step: Step, event: Event) -> bool:
    event_type, properties, *filters = step
    return (
        event.event_type == event_type
        and all(as_value(event.properties.get(name)) == shortest(value) for name, value in properties.items())
        and all(selects(document, event) for document in filters)
    )


def completions(own: list[Event], steps: Sequence[Step], window: int) -> list[Event]:
    """The events of one user, in order, that end a chain through all these steps within the window."""
    ends = set()
    for chain in combinations(own, len(steps)):
        in_time = chain[-1].at - chain[0].at <= timedelta(seconds=window)
        if in_time and all(matches(step, event) for step, event in zip(steps, chain, strict=True)):
            ends.add(chain[-1].key)
    return [event for event in own if event.key in ends]


def time_between(own: list[Event], steps: Sequence[Step], window: int) -> float:
    """Seconds from the latest completion of the step before to the first completion of the last of these steps."""
    first = completions(own, steps, window)[0]
    before = completions(own[: own.index(first)], steps[:-1], window)
    return seconds(first.at - before[-1].at)


def answer(events: list[Event], selection: Selection, steps: Sequence[Step], window: int = 604_800) -> dict[str, Any]:
    chosen = selection.of(events)
    users = [list(own) for _, own in groupby(chosen, lambda event: event.user_id)]
    reached = [[own for own in users if completions(own, steps[: k + 1], window)] for k in range(len(steps))]
    return {
        **selection.echo(),
        "window": window,
        "steps": [
            {
                "event_type": event_type,
                "properties": properties,
                "users": len(reached[k]),
                "conversion": share(len(reached[k]), len(reached[0])),
                "step_conversion": share(len(reached[k]), len(reached[k - 1])) if k else None,
                "dropped": len(reached[k - 1]) - len(reached[k]) if k else 0,
                "median_seconds": percentile([time_between(own, steps[: k + 1], window) for own in reached[k]], 0.5)
                if k
                else None,
            }
            for k, (event_type, properties, *_) in enumerate(steps)
        ],
    }
