"""Makes events for examples."""

from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

from .questions import T0
from .reference.events import Event

IDS = count(1)


def event(user_id: str, at: float = 0, event_type: str = "view", **given: Any) -> Event:
    """An event `at` seconds after T0, or at a time. Further arguments are properties."""
    fields = {name: given.pop(name) for name in ("session_id", "event_id", "source") if name in given}
    timestamp = T0 + timedelta(seconds=at) if isinstance(at, int | float) else at
    return Event(user_id, event_type, timestamp, **{"event_id": UUID(int=next(IDS)), **fields}, properties=given)
