"""GET /stats/users."""

from datetime import datetime
from typing import Any

from .calendar import intervals
from .events import Event, Selection, first_seen


def answer(events: list[Event], selection: Selection, interval: str = "day") -> dict[str, Any]:
    chosen, first = selection.of(events), first_seen(events)

    def counts(start: datetime, end: datetime) -> dict[str, int]:
        active = {event.user_id for event in chosen if start <= event.at < end}
        new = {user for user in active if start <= first[user] < end and selection.covers(first[user])}
        return {"active": len(active), "new": len(new), "returning": len(active - new)}

    spans = intervals(selection.start, selection.end, interval, selection.zone)
    return {
        **selection.echo(),
        "interval": interval,
        "points": [{"time": start.astimezone(selection.zone), **counts(start, end)} for start, end in spans],
        **counts(selection.start, selection.end),
    }
