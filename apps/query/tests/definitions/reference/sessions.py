"""GET /stats/sessions."""

from collections import Counter
from typing import Any

from .events import Event, Selection, by_name, key_of, percentile, seconds, share
from .visits import sessions_of


def answer(
    events: list[Event],
    selection: Selection,
    gap: int = 1800,
    longest: int = 86_400,
    by: str = "event_type",
    limit: int = 10,
) -> dict[str, Any]:
    chosen = selection.of(events, gap, longest)
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
