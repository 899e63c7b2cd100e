"""GET /events/users."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from .events import Event, Selection, first_seen


def answer(
    events: list[Event],
    selection: Selection,
    sort: str,
    limit: int,
    offset: int,
    first_seen_from: datetime | None = None,
    first_seen_to: datetime | None = None,
) -> dict[str, Any]:
    first = first_seen(events)
    newcomers = {
        user_id
        for user_id, moment in first.items()
        if (first_seen_from is None or moment >= first_seen_from) and (first_seen_to is None or moment < first_seen_to)
    }
    times: dict[str, list[datetime]] = defaultdict(list)
    for event in selection.of(events):
        if event.user_id in newcomers:
            times[event.user_id].append(event.at)
    users = sorted(times, key=lambda user_id: user_id.encode())
    users.sort(key=lambda user_id: len(times[user_id]) if sort == "events" else max(times[user_id]), reverse=True)
    return {
        **selection.echo(),
        "sort": sort,
        "users": [
            {
                "user_id": user_id,
                "events": len(times[user_id]),
                "first": min(times[user_id]).astimezone(selection.zone),
                "last": max(times[user_id]).astimezone(selection.zone),
            }
            for user_id in users[offset : offset + limit]
        ],
        "total": len(users),
    }
