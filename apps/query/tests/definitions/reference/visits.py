"""What a session is."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .events import Event


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
