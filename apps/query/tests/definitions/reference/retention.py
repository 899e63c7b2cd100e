"""GET /stats/retention."""

from datetime import UTC, datetime
from typing import Any

from .calendar import intervals
from .events import Event, Selection, first_seen, share


def answer(events: list[Event], selection: Selection, period: str = "week") -> dict[str, Any]:
    chosen, first = selection.of(events), first_seen(events)
    periods = intervals(selection.start, selection.end, period, selection.zone)
    over = min(selection.end, datetime.now(UTC))
    cohorts = []
    for own, (start, end) in enumerate(periods):
        members = {user for user, moment in first.items() if start <= moment < end and selection.covers(moment)}
        retained = [
            len({event.user_id for event in chosen if event.user_id in members and begin <= event.at < after})
            for begin, after in periods[own:]
        ]
        cohorts.append(
            {
                "start": start.astimezone(selection.zone),
                "users": len(members),
                "retained": retained,
                "rates": [share(count, len(members)) for count in retained],
                "complete": [selection.start <= begin and after <= over for begin, after in periods[own:]],
            }
        )
    return {**selection.echo(), "period": period, "cohorts": cohorts}
