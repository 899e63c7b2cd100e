"""GET /stats/sessions, and what a session is."""

from collections import Counter
from datetime import timedelta
from itertools import groupby
from typing import Any

from .events import Event, Selection, by_name, key_of, percentile, seconds, share


def sessions_of(chosen: list[Event], gap: int, longest: int) -> list[list[Event]]:
    """The sessions of events that are already selected, each session's events in order."""
    return [part for session in uncut(chosen, gap) for part in parts_of(session, timedelta(seconds=longest))]


def parts_of(session: list[Event], longest: timedelta) -> list[list[Event]]:
    """A session, cut at each event that comes too late after the first one of its part."""
    parts = [[session[0]]]
    for event in session[1:]:
        if event.at - parts[-1][0].at > longest:
            parts.append([event])
        else:
            parts[-1].append(event)
    return parts


def uncut(chosen: list[Event], gap: int) -> list[list[Event]]:
    found = []
    for _, own in groupby(sorted(chosen, key=lambda event: (event.user_id, event.at)), lambda event: event.user_id):
        of_user = list(own)
        named: dict[str, list[Event]] = {}
        unnamed: list[list[Event]] = []
        for event in of_user:
            if event.session_id is not None:
                named.setdefault(event.session_id, []).append(event)
            elif unnamed and event.at - unnamed[-1][-1].at <= timedelta(seconds=gap):
                unnamed[-1].append(event)
            else:
                unnamed.append([event])
        found += [*named.values(), *unnamed]
    return found


def answer(
    events: list[Event],
    selection: Selection,
    gap: int = 1800,
    longest: int = 86_400,
    by: str = "event_type",
    limit: int = 10,
) -> dict[str, Any]:
    chosen = selection.of(events)
    sessions = sessions_of(chosen, gap, longest)
    bounces = sum(len(session) == 1 for session in sessions)
    durations = [seconds(session[-1].at - session[0].at) for session in sessions]
    return {
        **selection.echo(),
        "gap": gap,
        "longest": longest,
        "sessions": len(sessions),
        "users": len({event.user_id for event in chosen}),
        "events": len(chosen),
        "bounces": bounces,
        "bounce_rate": share(bounces, len(sessions)),
        "events_per_session": share(len(chosen), len(sessions)),
        "duration": {
            "mean": sum(durations) / len(durations) if durations else None,
            "median": percentile(durations, 0.5),
            "p90": percentile(durations, 0.9),
            "max": max(durations, default=None),
        },
        "by": by,
        "entries": ranked([key_of(session[0], by) for session in sessions], limit),
        "exits": ranked([key_of(session[-1], by) for session in sessions], limit),
    }


def ranked(keys: list[str | None], limit: int) -> list[dict[str, Any]]:
    counts = sorted(Counter(keys).items(), key=lambda item: (-item[1], by_name(item[0])))
    return [{"key": key, "count": count, "share": count / len(keys)} for key, count in counts[:limit]]
