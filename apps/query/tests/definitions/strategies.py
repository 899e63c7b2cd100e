"""Small sets of events, and questions about them, that lie on the edges of the definitions."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st

from .product import Question
from .reference.events import Event, Selection

# Each example costs a few round trips, and none may depend on the day on which it runs.
EXAMPLES = settings(max_examples=40, derandomize=True, deadline=None, database=None)

Case = tuple[list[Event], list[Question]]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


# A zone, and a moment at which something happens to its clock.
CLOCKS = [
    ("UTC", utc("2025-03-01T00:00:00Z")),
    ("Europe/Paris", utc("2025-03-30T01:00:00Z")),
    ("Europe/Paris", utc("2025-10-26T01:00:00Z")),
    ("America/New_York", utc("2025-03-09T07:00:00Z")),
    ("America/New_York", utc("2025-11-02T06:00:00Z")),
    ("Asia/Kolkata", utc("2025-01-26T18:30:00Z")),  # a midnight at half past in UTC
    ("Australia/Lord_Howe", utc("2025-04-05T15:00:00Z")),  # half an hour back
    ("Australia/Lord_Howe", utc("2025-10-04T15:30:00Z")),  # half an hour forward
    ("America/Havana", utc("2025-03-09T05:00:00Z")),  # a midnight that doesn't exist
    ("America/Havana", utc("2025-11-02T05:00:00Z")),  # a midnight that happens twice
    ("Pacific/Apia", utc("2011-12-30T10:00:00Z")),  # a day that doesn't exist
]
GAPS = [timedelta(seconds=s) for s in (0, 1, 60, 1799.999999, 1800, 1800.000001, 3600, 5400)] + [
    timedelta(microseconds=1)
]
USERS = ["ann", "bob", "Zoé", "z😀", "z\uffff"]  # their order by bytes isn't that by UTF-16
TYPES = ["view", "buy", "Zoom", "été"]
VALUES = [None, "", "/", "/", "é", "1", "1.0", 1, 1.0, 1.5, "1.50", True, "true", ["x", 1], {"bb": 1, "a": None}]
PROPERTIES = st.fixed_dictionaries(
    {}, optional={"page": st.sampled_from(VALUES), "plan": st.sampled_from(["pro", "free", None])}
)

STORED_IN = ["default", "default", "shop", "blog"]
ASKED_ABOUT = st.sampled_from(
    [None, None, None, ("shop",), ("default",), ("blog", "default"), ("blog", "default", "shop"), ("nowhere",)]
)

FILTERS: list[tuple[tuple[str, ...], tuple[tuple[str, str], ...]]] = [
    ((), ()),
    ((), ()),
    ((), ()),
    (("view",), ()),
    (("view", "été"), ()),
    ((), (("page", "1"),)),
    (("view", "buy", "Zoom"), (("plan", "pro"),)),
]

PAGE_TESTS: list[dict[str, Any]] = [
    {"operator": "is", "value": "1.00"},
    {"operator": "is_not", "value": "1"},
    {"operator": "one_of", "value": ["é", "true", "1.5"]},
    {"operator": "contains", "value": "x"},
    {"operator": "contains", "value": "1"},
    {"operator": "not_contains", "value": "/"},
    {"operator": "starts_with", "value": "1"},
    {"operator": "set"},
    {"operator": "not_set"},
    {"operator": "gt", "value": "1"},
    {"operator": "lte", "value": "1.50"},
    {"operator": "gte", "value": "/"},
]
CONDITIONS: list[dict[str, Any]] = [
    *({"field": "property.page", **test} for test in PAGE_TESTS),
    {"field": "property.page.bb", "operator": "is", "value": "1"},
    {"field": "property.page.bb", "operator": "lt", "value": "2"},
    {"field": "property.page.a", "operator": "not_set"},
    {"field": "property.plan", "operator": "is", "value": "pro"},
    {"field": "property.plan", "operator": "not_set"},
    {"field": "property.nothing", "operator": "set"},
    {"field": "event_type", "operator": "is_not", "value": "view"},
    {"field": "user_id", "operator": "one_of", "value": ["ann", "Zoé"]},
    {"field": "session_id", "operator": "not_set"},
    {"field": "source", "operator": "is", "value": "shop"},
    {"field": "timestamp", "operator": "gte", "value": "2025-03-30T02:00:00+02:00"},
]
DOCUMENTS = st.recursive(
    st.sampled_from(CONDITIONS),
    lambda inner: st.builds(
        lambda kind, parts: {kind: parts}, st.sampled_from(["and", "or", "or"]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=3,
).map(json.dumps)
DOCUMENT_LISTS = st.one_of(st.just(()), st.just(()), st.lists(DOCUMENTS, min_size=1, max_size=2).map(tuple))
"""Filters beside `FILTERS`, often none."""

BEHAVIOUR_CONDITIONS: list[dict[str, Any]] = [
    *CONDITIONS[:2],
    {"field": "event_type", "operator": "is", "value": "buy"},
    {"field": "event_type", "operator": "is", "value": "view"},
    {"field": "session_id", "operator": "not_set"},
    {"or": [{"field": "property.plan", "operator": "is", "value": "pro"}, {"field": "property.page.bb", "operator": "is", "value": "1"}]},
]  # fmt: skip
_inner = st.sampled_from(BEHAVIOUR_CONDITIONS)
_counts = st.one_of(
    st.fixed_dictionaries({"did": _inner}, optional={"at_least": st.integers(1, 3)}),
    st.fixed_dictionaries({"did": _inner, "at_most": st.integers(1, 2)}),
    st.fixed_dictionaries({"at_least": st.integers(1, 3), "at_most": st.integers(3, 5)}),
    st.fixed_dictionaries({"did_not": _inner}),
)
_edges = st.builds(
    lambda kind, event, among: {kind: event, **({} if among is None else {"among": among})},
    st.sampled_from(["entry", "exit"]),
    _inner,
    st.none() | _inner,
)
_bounds = st.fixed_dictionaries(
    {},
    optional={name: st.sampled_from([anchor.isoformat() for _, anchor in CLOCKS[:5]]) for name in ("from", "to")},
).filter(lambda given: given.get("from", "") <= given.get("to", "9"))
BEHAVIOURS = st.recursive(
    st.one_of(
        st.one_of(_counts, _edges, _edges).map(lambda session: {"session": session}),
        st.builds(lambda user, bounds: {"user": {**user, **bounds}}, _counts, st.just({}) | _bounds),
    ),
    lambda inner: st.builds(
        lambda kind, parts: {kind: parts},
        st.sampled_from(["and", "or", "or"]),
        st.lists(st.one_of(inner, st.sampled_from(CONDITIONS)), min_size=1, max_size=3),
    ),
    max_leaves=3,
).map(json.dumps)
BEHAVIOUR_LISTS = st.one_of(st.just(()), st.lists(BEHAVIOURS, min_size=1, max_size=1).map(tuple))
"""Filters of sessions and users, as often none."""


def moments(anchor: datetime, days: int) -> st.SearchStrategy[datetime]:
    """Moments at most some days from the anchor, most of them on the edge of an hour or of the clock change."""
    return st.builds(
        lambda day, hour, minute, micro: anchor + timedelta(days=day, hours=hour, minutes=minute, microseconds=micro),
        st.sampled_from([0, 0, 1, -1, days // 2, days, -days]),
        HOURS,
        MINUTES,
        MICROSECONDS,
    )


# These are made once, and so are those in `events`: making a strategy takes longer than drawing from it.
EVENT_NUMBERS, SESSION_IDS = st.integers(0, 255), st.sampled_from([None, None, None, "s1", "s2"])
SOURCES_STORED, CLOCK = st.sampled_from(STORED_IN), st.sampled_from(CLOCKS)
RANGE_KINDS = st.sampled_from(["all", "nearly all", "nearly all", "events", "calendar"])
ZERO_OR_ONE, SIMPLE_FILTERS = st.sampled_from([0, 1]), st.sampled_from(FILTERS)
HOURS, MINUTES, MICROSECONDS = (
    st.integers(-3, 3),
    st.sampled_from([0, 0, 0, 20, 30, 59]),
    st.sampled_from([0, 0, -1, 1]),
)


@st.composite
def events(draw: st.DrawFn, anchor: datetime, days: int, most: int = 20, users: int = 4, types: int = 4) -> list[Event]:
    """Events in any order of time; many at the same moment as another one, or a session's gap after it."""
    found: list[Event] = []
    times = moments(anchor, days)
    after = st.sampled_from(GAPS).map(lambda gap: found[-1].timestamp + gap)
    later = st.one_of(times, after, after)
    user_ids, event_types = st.sampled_from(USERS[:users]), st.sampled_from(TYPES[:types])
    for number in range(draw(st.sampled_from([0, 2, 5, most // 2, most, most, most, most]))):
        found.append(
            Event(
                user_id=draw(user_ids),
                event_type=draw(event_types),
                timestamp=draw(later if found else times),
                event_id=UUID(int=draw(EVENT_NUMBERS) << 120 | number),
                session_id=draw(SESSION_IDS),
                properties=draw(PROPERTIES),
                source=draw(SOURCES_STORED),
            )
        )
    return found


@st.composite
def ranges(draw: st.DrawFn, given: list[Event], anchor: datetime, days: int) -> tuple[datetime, datetime]:
    """Edges on events, a microsecond after them, or near the anchor; often around nearly everything."""
    micro, margin = timedelta(microseconds=1), timedelta(minutes=50)
    times = sorted(event.timestamp for event in given) or [anchor]
    match draw(RANGE_KINDS):
        case "all":
            return times[0] - margin, times[-1] + margin
        case "nearly all":
            return times[0] + draw(ZERO_OR_ONE) * micro, times[-1] + draw(ZERO_OR_ONE) * micro
        case "events":
            edges = st.builds(lambda time, late: time + late * micro, st.sampled_from(times), ZERO_OR_ONE)
            return draw(edges), draw(edges)
        case _:
            near = moments(anchor, days)
            return draw(near), draw(near)


@st.composite
def selections(
    draw: st.DrawFn, given: list[Event], zone: str, anchor: datetime, days: int, filters: bool = True
) -> Selection:
    start, end = sorted(draw(ranges(given, anchor, days)))
    types, properties = draw(SIMPLE_FILTERS) if filters else ((), ())
    documents = draw(DOCUMENT_LISTS) if filters else ()
    return Selection(start, end, ZoneInfo(zone), types, properties, documents)


@st.composite
def cases(
    draw: st.DrawFn,
    question: Callable[[Selection], st.SearchStrategy[Question]],
    days: int = 3,
    filters: bool = True,
    **sizes: Any,
) -> Case:
    """Events and a few questions about them, in one zone."""
    zone, anchor = draw(CLOCK)
    given = draw(events(anchor, days, **sizes))
    chosen = selections(given, zone, anchor, days, filters)
    return given, draw(st.lists(scoped(chosen.flatmap(question)), min_size=2, max_size=4))


def scoped(questions: st.SearchStrategy[Question]) -> st.SearchStrategy[Question]:
    """The questions, about all sources or some."""
    return st.builds(lambda question, sources: replace(question, sources=sources), questions, ASKED_ABOUT)
