"""Which ids are one person's, as docs/definitions.md says: an independent reference, over all events or links at once."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

NAMES = {"identify": "anonymous_id", "alias": "previous_id"}
EXACT = {"[object Object]", "NaN", "None", "none", "null", "0"}
ANY_CASE = {"anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email", "undefined", "true", "false"}  # fmt: skip


class Link(NamedTuple):
    """A link of a source between two ids, by its earliest event."""

    source: str
    alias: str
    person: str
    at: datetime
    event_id: UUID

    @property
    def moment(self) -> tuple[Any, ...]:
        return self.at, self.event_id, self.source


def link_of(event_type: str, user_id: str, properties: dict[str, Any]) -> tuple[str | None, str | None]:
    """The alias that an event links to its user; or why it links none, if it names one."""
    alias = properties.get(NAMES.get(event_type, ""))
    if alias is None:
        return None, None
    if isinstance(alias, bool) or not isinstance(alias, str | int | float):
        return None, "unusable"
    alias = str(alias)
    if not 1 <= len(alias) <= 200 or "\ufffd" in alias:
        return None, "unusable"
    if alias == user_id:
        return None, "same"
    if _is_reserved(alias) or _is_reserved(user_id):
        return None, "reserved"
    return alias, None


def _is_reserved(text: str) -> bool:
    for quote in "'\"":
        if len(text) > 2 and text[0] == text[-1] == quote:
            text = text[1:-1]
            break
    return not text.strip(" \t\n\v\f\r") or text in EXACT or text.lower() in ANY_CASE


def links_of(events: Iterable[dict[str, Any]]) -> list[Link]:
    """The links of stored events."""
    found: dict[tuple[str, str, str], Link] = {}
    for event in sorted(events, key=lambda event: (event["timestamp"], event["event_id"])):
        alias, _ = link_of(event["event_type"], event["user_id"], json.loads(event["properties"]))
        if alias is not None:
            link = Link(event["source"], alias, event["user_id"], event["timestamp"], event["event_id"])
            found.setdefault(link[:3], link)
    return list(found.values())


def counting_links(links: Iterable[Link]) -> dict[str, str]:
    """Alias → person, of these links: for each alias the earliest one, and of each circle all but the latest one."""
    counting: dict[str, Link] = {}
    for link in sorted(links, key=lambda link: (*link.moment, link.person)):
        counting.setdefault(link.alias, link)
    for start in list(counting):
        way = [start]
        while way[-1] in counting and counting[way[-1]].person not in way:
            way.append(counting[way[-1]].person)
        if way[-1] in counting:
            circle = way[way.index(counting[way[-1]].person) :]
            del counting[max(circle, key=lambda alias: (*counting[alias].moment, alias))]
    return {link.alias: link.person for link in counting.values()}


def person_of(user_id: str, counting: dict[str, str]) -> str:
    """The end of the chain of links from an id."""
    while user_id in counting:
        user_id = counting[user_id]
    return user_id


def ids_of(user_id: str, counting: dict[str, str]) -> tuple[str, set[str]]:
    """The person of an id, and all ids of theirs."""
    person = person_of(user_id, counting)
    return person, {person, *(alias for alias in counting if person_of(alias, counting) == person)}
