"""Checks about one user: the summary and the timeline."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from event_tracker.cli.simulate.scenarios.plan import Plan, PlannedVisit
from event_tracker.cli.simulate.scenarios.truth.check import Check, Request
from event_tracker.cli.simulate.scenarios.truth.questions import ranked, whole_range


def one_user(plan: Plan, visits: Sequence[PlannedVisit], asked: str, name: str) -> Check:
    """Check the summary of the user who made these visits, asked for by one of their ids."""
    person = visits[0].person
    happened = _happened(visits)
    types = Counter(event_type for *_, event_type in happened)
    answer = {
        "user_id": person.user_id,
        "first_seen": happened[0][0],
        "last_seen": happened[-1][0],
        "events": len(happened),
        "range": {
            "events": len(happened),
            "active_days": len(visits),
            "sessions": sum(len(visit.script.sessions) for visit in visits),
            "types": ranked(types, len(happened), "event_type"),
        },
    }
    return Check(name, Request("GET", f"/users/{asked}", whole_range(plan)), answer)


def events_of(visits: Sequence[PlannedVisit]) -> Check:
    """Check the timeline of the user who made these visits."""
    person = visits[0].person
    happened = reversed(_happened(visits))
    events = [{"user_id": user_id, "timestamp": time, "event_type": kind} for time, user_id, kind in happened]
    request = Request("GET", "/events", {"user_id": person.user_id, "limit": 1000})
    return Check(f"a user's events: {person.life.name}", request, {"events": events, "next_cursor": None})


def _happened(visits: Sequence[PlannedVisit]) -> list[tuple[str, str, str]]:
    """The times, ids and types of the events of these visits, in order."""
    return [
        (
            datetime.fromtimestamp((visit.start + after) / 1000, UTC).isoformat(timespec="milliseconds"),
            visit.person.id_at(visit.day, place),
            step.event_type,
        )
        for visit in visits
        for place, (step, after) in enumerate(
            zip(visit.script.steps, visit.script.moments[visit.person.pace], strict=True)
        )
    ]
