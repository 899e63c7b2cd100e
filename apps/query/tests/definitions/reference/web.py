"""GET /stats/web and /stats/web/top."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from .calendar import first_moment, intervals
from .events import Event, Selection, as_value, by_name, percentile, seconds, share
from .visits import sessions_of

Session = list[Event]
Key = str | None


@dataclass(frozen=True)
class Page:
    """What a page is called."""

    source: str
    host: str
    path: str
    title: str | None = None
    category: str | None = None


def page_views(selection: Selection) -> Selection:
    return replace(selection, event_types=selection.event_types or ("page_view",))


def summary(
    events: list[Event], selection: Selection, interval: str = "day", gap: int = 1800, longest: int = 86_400
) -> dict[str, Any]:
    def sessions_between(start: datetime, end: datetime) -> list[Session]:
        chosen = page_views(replace(selection, start=start, end=end)).of(events, gap, longest)
        return sessions_of(chosen, gap, longest)

    sessions = sessions_between(selection.start, selection.end)
    start = before(selection)
    over = min(selection.end, datetime.now(UTC))
    return {
        **selection.echo(),
        "gap": gap,
        "longest": longest,
        "interval": interval,
        "totals": totals(sessions),
        "before": {
            "from": start.astimezone(selection.zone),
            "to": selection.start.astimezone(selection.zone),
            "totals": totals(sessions_between(start, selection.start)),
        },
        "series": [
            {
                "start": first.astimezone(selection.zone),
                **point(sessions, lambda event, first=first, after=after: first <= event.at < after),
                "complete": selection.start <= first and after <= over,
            }
            for first, after in intervals(selection.start, selection.end, interval, selection.zone)
        ],
    }


def before(selection: Selection) -> datetime:
    """The beginning of the range before."""
    first, last = (moment.astimezone(selection.zone).date() for moment in (selection.start, selection.end))
    if (first_moment(first, selection.zone), first_moment(last, selection.zone)) == (selection.start, selection.end):
        return first_moment(first - (last - first), selection.zone)
    return selection.start - (selection.end - selection.start)


def totals(sessions: list[Session]) -> dict[str, Any]:
    views = sum(map(len, sessions))
    bounces = [session for session in sessions if len(session) == 1]
    durations = list(map(duration, sessions))
    return {
        "page_views": views,
        "visitors": len({session[0].user_id for session in sessions}),
        "sessions": len(sessions),
        "bounces": len(bounces),
        "bounce_rate": share(len(bounces), len(sessions)),
        "views_per_session": share(views, len(sessions)),
        "duration": {"mean": sum(durations) / len(durations), "median": percentile(durations, 0.5)}
        if durations
        else None,
    }


def point(sessions: list[Session], is_inside: Callable[[Event], bool]) -> dict[str, Any]:
    there = [session for session in sessions if any(map(is_inside, session))]
    return {
        "page_views": sum(is_inside(event) for session in sessions for event in session),
        "visitors": len({session[0].user_id for session in there}),
        "sessions": len(there),
        "bounce_rate": share(sum(len(session) == 1 for session in there), len(there)),
        "duration_mean": sum(map(duration, there)) / len(there) if there else None,
    }


def duration(session: Session) -> float:
    return seconds(session[-1].at - session[0].at)


OF_VIEWS = {
    "page": "page",
    "host": "host",
    "country": "$country",
    "region": "$region",
    "city": "$city",
    "browser": "$browser",
    "os": "$os",
    "device": "$device",
    "device_type": "$device_type",
    "status": "status",
    "edge_result": "edge_result",
    "edge_location": "edge_location",
    "slowest": "page",
    "title": "called",
    "category": "called",
}
PLACED = "location"
OF_FIRST = {
    "entry": "page",
    "referrer": "referrer",
    "campaign": "utm_campaign",
    "medium": "utm_medium",
    "term": "utm_term",
    "content": "utm_content",
}
NAMES = ("title", "category")
BYS = (*(by for by in OF_VIEWS if by not in NAMES), *OF_FIRST, "exit", "source", "channel", PLACED)


def top(
    events: list[Event],
    selection: Selection,
    by: str = "page",
    limit: int = 10,
    offset: int = 0,
    gap: int = 1800,
    longest: int = 86_400,
    pages: Sequence[Page] = (),
) -> dict[str, Any]:
    sessions = sessions_of(page_views(selection).of(events, gap, longest), gap, longest)
    if by in NAMES:
        sessions = called(events, sessions, by, pages)
    everybody = {session[0].user_id for session in sessions}
    found: dict[Key, list[tuple[Session, list[Event]]]] = defaultdict(list)
    """Of each key its sessions, and of each of these the page views that count."""
    for session in sessions:
        for key, views in keyed(session, by).items():
            found[key].append((session, views))
    rows = [row(key, its, by, len(everybody)) for key, its in found.items()]
    if by == "slowest":
        rows = [one for one in rows if "seconds" in one]
        rows.sort(key=lambda one: (-one["seconds"]["p95"], -one["page_views"], by_name(one["key"])))
    else:
        rows.sort(key=lambda one: (-one["visitors"], -one["page_views"], by_name(one["key"])))
    return {
        **selection.echo(),
        "gap": gap,
        "longest": longest,
        "by": by,
        "visitors": len(everybody),
        "rows": rows[offset : offset + limit],
        "total": len(rows),
    }


def called(events: list[Event], sessions: list[Session], by: str, pages: Sequence[Page]) -> list[Session]:
    """The same sessions, of page views with the property `called`: what their page is called."""
    named = {(page.source, page.host, page.path): getattr(page, by) for page in pages if getattr(page, by) is not None}
    arrived = {(*event.key, event.user_id): number for number, event in enumerate(events)}
    learnt: dict[tuple[str, str, Key], str] = {}
    views = [event for session in sessions for event in session]
    for event in sorted(views, key=lambda event: (event.at, arrived[(*event.key, event.user_id)])):
        title = text(event, "title")
        if by == "title" and title is not None and text(event, "page") is not None:
            learnt[event.source, text(event, "host") or "", text(event, "page")] = title

    def name(event: Event) -> str | None:
        path, host = text(event, "page"), text(event, "host") or ""
        places = [(named, host), (named, ""), (learnt, host)]
        found = [known[event.source, at, path] for known, at in places if (event.source, at, path) in known]  # type: ignore[index]
        return found[0] if found else None

    return [
        [replace(event, properties={**event.properties, "called": name(event)}) for event in session]
        for session in sessions
    ]


def keyed(session: Session, by: str) -> dict[Key, list[Event]]:
    if by in OF_VIEWS or by == PLACED:
        found: dict[Key, list[Event]] = defaultdict(list)
        for event in session:
            found[location(event) if by == PLACED else text(event, OF_VIEWS[by])].append(event)
        return found
    match by:
        case "exit":
            return {text(session[-1], "page"): session}
        case "source":
            return {source(session[0]): session}
        case "channel":
            return {channel(session[0]): session}
        case _:
            return {text(session[0], OF_FIRST[by]): session}


def row(key: Key, its: list[tuple[Session, list[Event]]], by: str, everybody: int) -> dict[str, Any]:
    views = [event for _, own in its for event in own]
    visitors = {session[0].user_id for session, _ in its}
    bounces = sum(len(session) == 1 for session, _ in its)
    found = {
        "key": key,
        "visitors": len(visitors),
        "page_views": len(views),
        "sessions": len(its),
        "bounce_rate": bounces / len(its),
        "share": len(visitors) / everybody,
    }
    if by in ("status", "edge_result", "edge_location"):
        sizes = [text(event, "bytes") for event in views]
        whole = [int(size) for size in sizes if size and re.fullmatch("0|[1-9][0-9]{0,14}", size)]
        found["bytes"] = min(sum(whole), 2**53 - 1)
    if by == "slowest":
        texts = [text(event, "seconds") for event in views]
        times = [float(one) for one in texts if one and re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", one)]
        if times:
            found["seconds"] = {
                "count": len(times),
                "median": percentile(times, 0.5),
                "p95": percentile(times, 0.95),
            }
    return found


def text(event: Event, name: str) -> Key:
    return as_value(event.properties.get(name))


def location(event: Event) -> Key:
    latitude, longitude, city = (text(event, name) for name in ("$latitude", "$longitude", "$city"))
    if latitude is None or longitude is None:
        return None
    return f"{latitude},{longitude}" + ("" if city is None else f" {city}")


def words(event: Event, name: str) -> str:
    return (text(event, name) or "").strip(" ").lower()


def host(event: Event) -> Key:
    url = text(event, "referrer") or ""
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url):
        return None
    return (urlsplit(url).hostname or "").removeprefix("www.") or None


def source(event: Event) -> Key:
    own = text(event, "$source")
    return own if own is not None else words(event, "utm_source") or host(event) or "direct"


def channel(event: Event) -> Key:
    own = text(event, "$channel")
    if own is not None:
        return own
    if any(words(event, name) for name in ("utm_source", "utm_medium", "utm_campaign")):
        return "campaign"
    return "site" if host(event) else "direct"
