"""GET /users and GET /users/{user_id}."""

from collections import Counter
from typing import Any

from .calendar import intervals
from .events import Event, Selection, by_name
from .visits import sessions_of


def summary(events: list[Event], user_id: str) -> dict[str, Any]:
    own = [event for event in events if event.user_id == user_id]
    return {
        "user_id": user_id,
        "first_seen": min(event.at for event in own),
        "last_seen": max(event.at for event in own),
        "events": len(own),
    }


def everybody(events: list[Event]) -> list[dict[str, Any]]:
    """All users, the most recently active first."""
    found = [summary(events, user_id) for user_id in {event.user_id for event in events}]
    return sorted(found, key=lambda user: (user["last_seen"], user["user_id"].encode()), reverse=True)


def answer(events: list[Event], selection: Selection, user_id: str) -> dict[str, Any] | None:
    """None if there is no such user."""
    if all(event.user_id != user_id for event in events):
        return None
    own = [event for event in selection.of(events) if event.user_id == user_id]
    days = intervals(selection.start, selection.end, "day", selection.zone)
    counts = sorted(Counter(event.event_type for event in own).items(), key=lambda item: (-item[1], by_name(item[0])))
    return {
        **summary(events, user_id),
        **selection.echo(),
        "range": {
            "events": len(own),
            "active_days": sum(any(first <= event.at < after for event in own) for first, after in days),
            "sessions": len(sessions_of(own, 1800, 86_400)),
            "types": [{"event_type": name, "count": count, "share": count / len(own)} for name, count in counts],
        },
    }
