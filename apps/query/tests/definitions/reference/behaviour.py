"""Filters about sessions and users, as docs/definitions.md defines them: by looking at all other events for each event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .events import Event

Selects = Callable[[dict[str, Any], "Event"], bool]


@dataclass(frozen=True)
class Surroundings:
    """What a filter of an event may look at: the question's range, all events of all time, and the sessions of those of the range."""

    start: datetime
    end: datetime
    events: list[Event]
    sessions: list[list[Event]]


def selects(document: dict[str, Any], event: Event, around: Surroundings, is_selected: Selects) -> bool:
    """Whether a filter selects an event. `is_selected` says it of filters of events alone."""
    if "and" in document:
        return all(selects(part, event, around, is_selected) for part in document["and"])
    if "or" in document:
        return any(selects(part, event, around, is_selected) for part in document["or"])
    if "session" in document:
        (session,) = (found for found in around.sessions if any(one is event for one in found))
        return is_session(document["session"], session, is_selected)
    if "user" in document:
        given = document["user"]
        start, end = (
            datetime.fromisoformat(given[name]) if name in given else default
            for name, default in (("from", around.start), ("to", around.end))
        )
        own = [one for one in around.events if one.user_id == event.user_id and start <= one.at < end]
        return is_count(given, own, is_selected)
    return is_selected(document, event)


def is_session(given: dict[str, Any], session: list[Event], is_selected: Selects) -> bool:
    for name, place in (("entry", 0), ("exit", -1)):
        if name in given:
            among = [event for event in session if "among" not in given or is_selected(given["among"], event)]
            return bool(among) and is_selected(given[name], among[place])
    return is_count(given, session, is_selected)


def is_count(given: dict[str, Any], events: list[Event], is_selected: Selects) -> bool:
    if "did_not" in given:
        return not any(is_selected(given["did_not"], event) for event in events)
    count = sum("did" not in given or is_selected(given["did"], event) for event in events)
    if "at_most" in given:
        return bool(given.get("at_least", 0) <= count <= given["at_most"])
    return bool(count >= given.get("at_least", 1))
