"""Queries, each in two forms with the same parameters: as a request, and as the reference's answer."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from .product import Question
from .reference import event_users as reference_event_users
from .reference import funnel as reference_funnel
from .reference import paths, retention, sessions, timeseries, top_properties, user_list, users, web
from .reference.events import Selection

ANSWERS = {
    "timeseries": timeseries.answer,
    "users": users.answer,
    "sessions": sessions.answer,
    "top-properties": top_properties.answer,
    "retention": retention.answer,
    "paths": paths.answer,
    "web": web.summary,
    "web/top": web.top,
}
T0 = datetime(2025, 3, 1, tzinfo=UTC)


def span(
    start: datetime = T0,
    end: datetime | timedelta = timedelta(days=1),
    zone: str = "UTC",
    types: Sequence[str] = (),
    properties: Mapping[str, str] | None = None,
    filters: Sequence[str] = (),
) -> Selection:
    """A selection. `end` may be a duration after `start`. The default is the first of March 2025, in UTC."""
    last = start + end if isinstance(end, timedelta) else end
    return Selection(
        start.astimezone(UTC),
        last.astimezone(UTC),
        ZoneInfo(zone),
        tuple(types),
        tuple((properties or {}).items()),
        tuple(filters),
    )


def stats(name: str, selection: Selection, **options: Any) -> Question:
    """GET /stats/<name>."""
    answer = partial(ANSWERS[name], selection=selection, **options)
    return Question(f"/stats/{name}", _parameters(selection, **options), answer)


def event_users(
    selection: Selection,
    sort: str = "events",
    limit: int = 50,
    offset: int = 0,
    first_seen: tuple[datetime | None, datetime | None] = (None, None),
) -> Question:
    """GET /events/users. `first_seen` is a half-open range."""
    bounds = dict(zip(("first_seen_from", "first_seen_to"), first_seen, strict=True))
    options: dict[str, Any] = {"sort": sort, "limit": limit, "offset": offset}
    answer = partial(reference_event_users.answer, selection=selection, **options, **bounds)
    in_zone = {name: moment and moment.astimezone(selection.zone).isoformat() for name, moment in bounds.items()}
    return Question("/events/users", _parameters(selection, **options, **in_zone), answer)


def _parameters(selection: Selection, **options: Any) -> list[tuple[str, str]]:
    parameters = [*bounds(selection).items(), *(("event_type", name) for name in selection.event_types)]
    parameters += [(f"property.{name}", value) for name, value in selection.properties]
    parameters += [("filter", document) for document in selection.filters]
    return parameters + [(option, str(value)) for option, value in options.items() if value is not None]


def funnel(selection: Selection, steps: Sequence[reference_funnel.Step], window: int = 604_800) -> Question:
    body = {
        **bounds(selection),
        "window": window,
        "steps": [
            {
                "event_type": event_type,
                **({"properties": properties} if properties else {}),
                **({"filter": json.loads(filters[0])} if filters else {}),
            }
            for event_type, properties, *filters in steps
        ],
    }
    if selection.filters:
        body["filter"] = {"and": [json.loads(document) for document in selection.filters]}
    answer = partial(reference_funnel.answer, selection=selection, steps=steps, window=window)
    return Question("/stats/funnel", [], answer, body)


def user(selection: Selection, user_id: str) -> Question:
    answer = partial(user_list.answer, selection=selection, user_id=user_id)
    return Question(f"/users/{quote(user_id, safe='')}", list(bounds(selection).items()), answer)


def bounds(selection: Selection) -> dict[str, str]:
    return {
        "from": selection.start.astimezone(selection.zone).isoformat(),
        "to": selection.end.astimezone(selection.zone).isoformat(),
        "tz": selection.zone.key,
    }
