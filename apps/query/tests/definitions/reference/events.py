"""Events, and the selection of a query."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from filters import reference as filters

from . import behaviour
from .behaviour import Surroundings
from .visits import sessions_of


@dataclass(frozen=True)
class Event:
    """One stored event; `timestamp` is aware. Lists of events are in the order in which they arrived."""

    user_id: str
    event_type: str
    timestamp: datetime
    event_id: UUID
    session_id: str | None = None
    properties: dict[str, Any] = field(default_factory=dict, hash=False)
    source: str = "default"
    sent_id: str | None = None
    """The id that it was sent with, where `user_id` is the person's."""

    @property
    def at(self) -> datetime:
        """The timestamp in UTC: Python subtracts and compares times of one zone by the clock on the wall."""
        return self.timestamp.astimezone(UTC)

    @property
    def key(self) -> tuple[datetime, bytes]:
        """Identifies it among the user's events."""
        return self.at, self.event_id.bytes


@dataclass(frozen=True)
class Selection:
    """The common parameters: half-open [start, end), the zone, the filters. `filters` are JSON."""

    start: datetime
    end: datetime
    zone: ZoneInfo
    event_types: tuple[str, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    filters: tuple[str, ...] = ()

    def covers(self, moment: datetime) -> bool:
        return self.start.astimezone(UTC) <= moment.astimezone(UTC) < self.end.astimezone(UTC)

    def of(self, events: list[Event], gap: int = 1800, longest: int = 86_400) -> list[Event]:
        """The selected events, each user's in order: those of one moment as they arrived. The sessions of filters are by these."""
        inside = sorted(
            filter(lambda event: self.covers(event.at), events), key=lambda event: (event.user_id, event.at)
        )
        around = Surroundings(self.start, self.end, events, sessions_of(inside, gap, longest))
        return [event for event in inside if self.matches(event, around)]

    def matches(self, event: Event, around: Surroundings) -> bool:
        return (
            (not self.event_types or event.event_type in self.event_types)
            and all(as_value(event.properties.get(name)) == shortest(value) for name, value in self.properties)
            and all(behaviour.selects(json.loads(document), event, around, is_selected) for document in self.filters)
        )

    def echo(self) -> dict[str, Any]:
        """What every answer begins with, but for `as_of`."""
        return {
            "from": self.start.astimezone(self.zone),
            "to": self.end.astimezone(self.zone),
            "tz": self.zone.key,
        }


def selects(document: str, event: Event) -> bool:
    """Whether a filter of events alone selects an event."""
    return is_selected(json.loads(document), event)


def is_selected(document: dict[str, Any], event: Event) -> bool:
    stored = {
        **vars(event),
        "user_id": event.sent_id or event.user_id,
        "timestamp": event.at,
        "properties": filters.parse(jsonb(event.properties)),
    }
    return filters.selects(document, stored)


def of_sources(events: list[Event], sources: tuple[str, ...] | None) -> list[Event]:
    """The events of some sources; None is all of them."""
    return [event for event in events if sources is None or event.source in sources]


def as_text(value: Any) -> str | None:
    """A property's value as PostgreSQL's `->>` gives it: a text as it is, null as missing, else the JSON of jsonb."""
    if value is None or isinstance(value, str):
        return value
    return jsonb(value)


def as_value(value: Any) -> str | None:
    """The same, and a number in its shortest spelling, whether it is one or a text that reads like one."""
    text = as_text(value)
    return text if text is None else shortest(text)


def shortest(text: str) -> str:
    if not re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", text):
        return text
    return format(Decimal(text).normalize(Context(prec=len(text))), "f")


def jsonb(value: Any) -> str:
    """JSON as jsonb writes it: members by length of name, then bytes; a space after each comma and colon."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda item: (len(item[0].encode()), item[0].encode()))
        return "{" + ", ".join(f"{jsonb(name)}: {jsonb(item)}" for name, item in members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(jsonb(item) for item in value) + "]"
    if value == 0 and isinstance(value, float):
        return "0.0"  # its numbers have no negative zero
    return json.dumps(value, ensure_ascii=False)


def key_of(event: Event, by: str) -> str | None:
    """The event's key under `event_type` or `property:NAME`; None where it has none."""
    if by == "event_type":
        return event.event_type
    return as_value(event.properties.get(by.removeprefix("property:")))


def by_name(name: str | None) -> tuple[bool, bytes]:
    """The order of names: by their bytes, None last."""
    return name is None, (name or "").encode()


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def percentile(values: list[float], fraction: float) -> float | None:
    """PostgreSQL's percentile_cont: between the two values nearest to row 1 + fraction * (n - 1), by distance."""
    if not values:
        return None
    ordered = sorted(values)
    position = fraction * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def seconds(duration: timedelta) -> float:
    return duration / timedelta(seconds=1)


def first_seen(events: list[Event]) -> dict[str, datetime]:
    """When each user's first event ever happened, whatever is selected."""
    first: dict[str, datetime] = {}
    for event in events:
        first[event.user_id] = min(event.at, first.get(event.user_id, event.at))
    return first
