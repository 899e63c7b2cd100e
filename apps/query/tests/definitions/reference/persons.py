"""Whom ids are, by links."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from .events import Event


@dataclass(frozen=True)
class Link:
    """A row of `links`."""

    alias: str
    person: str
    at: datetime
    event_id: UUID
    source: str = "default"
    removed: bool = False


def persons_of(links: Sequence[Link], sources: Sequence[str] | None) -> dict[str, str]:
    """The person of each id that has one, by the links of some sources (None is all)."""
    counting: dict[str, Link] = {}
    for link in sorted(
        links, key=lambda link: (link.at, link.event_id.bytes, link.source.encode(), link.person.encode())
    ):
        if not link.removed and (sources is None or link.source in sources):
            counting.setdefault(link.alias, link)
    # Links in the order of time: each is followed but for the one that would close a circle, which is the circle's latest.
    followed: dict[str, str] = {}
    for link in sorted(
        counting.values(), key=lambda link: (link.at, link.event_id.bytes, link.source.encode(), link.alias.encode())
    ):
        if end_of(link.person, followed) != link.alias:
            followed[link.alias] = link.person
    return {alias: end_of(alias, followed) for alias in followed}


def end_of(user_id: str, followed: dict[str, str]) -> str:
    """Where the links lead."""
    while user_id in followed:
        user_id = followed[user_id]
    return user_id


def of_persons(events: list[Event], links: Sequence[Link], sources: Sequence[str] | None) -> list[Event]:
    """The same events, each as if the person had sent it by their own id."""
    persons = persons_of(links, sources)
    return [
        replace(event, user_id=persons.get(event.user_id, event.user_id), sent_id=event.user_id) for event in events
    ]
