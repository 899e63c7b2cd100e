"""Hypothesis strategies of queries over a given selection, one for each endpoint."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import wraps

from hypothesis import strategies as st

from . import questions
from .product import Question
from .questions import stats
from .reference.events import Selection
from .reference.web import BYS, NAMES
from .strategies import BEHAVIOUR_LISTS, DOCUMENTS, TYPES, USERS

Questions = st.SearchStrategy[Question]
BY = st.sampled_from(["event_type", "property:page"])
GAPS = st.sampled_from([60, 1800, 1800, 86_400])
LONGEST_SESSIONS = st.sampled_from([60, 1800, 86_400, 86_400, 86_400, 172_800, 864_000])
LIMITS = st.sampled_from([1, 2, 5, 10])
STEPS = st.tuples(st.sampled_from(TYPES[:2]), st.sampled_from([{}, {}, {}, {"page": "1.0"}, {"plan": "pro"}]))
WINDOWS = st.sampled_from([1, 60, 1800, 1800, 3600, 5400, 604_800])
# No more points than an answer may have.
LONGEST = {"minute": timedelta(hours=9), "hour": timedelta(days=4), "day": timedelta(days=90)}


def shortened(selection: Selection, interval: str) -> Selection:
    longest = LONGEST.get(interval, timedelta(days=600))
    end = min(selection.end, selection.start + longest)
    return replace(selection, end=end)


def of_behaviour(questions: Callable[[Selection], Questions]) -> Callable[[Selection], Questions]:
    """The same, often with filters about sessions and users."""

    @wraps(questions)
    def found(selection: Selection) -> Questions:
        chosen = BEHAVIOUR_LISTS.map(lambda more: replace(selection, filters=(*selection.filters, *more)))
        return chosen.flatmap(questions)

    return found


@of_behaviour
def timeseries(selection: Selection) -> Questions:
    return st.builds(
        lambda interval, **options: stats("timeseries", shortened(selection, interval), interval=interval, **options),
        interval=st.sampled_from(["minute", "hour", "hour", "day", "day", "week", "month"]),
        metric=st.sampled_from(["events", "users", "sessions"]),
        breakdown=st.none() | BY,
        limit=LIMITS,
        gap=GAPS,
        longest=LONGEST_SESSIONS,
    )


@of_behaviour
def users(selection: Selection) -> Questions:
    intervals = st.sampled_from(["day", "day", "week", "month"])
    return intervals.map(lambda interval: stats("users", shortened(selection, interval), interval=interval))


@of_behaviour
def sessions(selection: Selection) -> Questions:
    return st.builds(
        lambda **options: stats("sessions", selection, **options),
        gap=GAPS,
        longest=LONGEST_SESSIONS,
        by=BY,
        limit=LIMITS,
    )


@of_behaviour
def top_properties(selection: Selection) -> Questions:
    keys = st.sampled_from(["page", "plan", "nothing"])
    return st.builds(lambda **options: stats("top-properties", selection, **options), key=keys, limit=LIMITS)


@of_behaviour
def funnel(selection: Selection) -> Questions:
    """A funnel's types and properties stand in its steps."""
    of_all = replace(selection, event_types=(), properties=())
    filtered = st.builds(lambda step, document: (*step, document), STEPS, DOCUMENTS)
    steps = st.lists(st.one_of(STEPS, STEPS, filtered), min_size=2, max_size=4)
    return st.builds(lambda steps, window: questions.funnel(of_all, steps, window), steps, WINDOWS)


def event_users(selection: Selection) -> Questions:
    return st.builds(
        lambda **options: questions.event_users(selection, **options),
        sort=st.sampled_from(["events", "last"]),
        limit=LIMITS,
        offset=st.sampled_from([0, 0, 0, 1, 3, 1000]),
        first_seen=_ranges_around(selection),
    )


def _ranges_around(selection: Selection) -> st.SearchStrategy[tuple[datetime | None, datetime | None]]:
    """Half-open ranges that begin before, in or at the end of the selection; either bound may be missing."""
    length = selection.end - selection.start
    bounds = [selection.start + length * part for part in (-1, 0, 0.3, 0.5, 1)]
    pairs = [(first, last) for first in bounds for last in bounds if first <= last]
    return st.sampled_from([(None, None), *pairs, (bounds[2], None), (None, bounds[2])])


@of_behaviour
def retention(selection: Selection) -> Questions:
    periods = st.sampled_from(["day", "week", "month"])
    return periods.map(lambda period: stats("retention", shortened(selection, period), period=period))


@of_behaviour
def paths(selection: Selection) -> Questions:
    return st.builds(
        lambda **options: stats("paths", selection, **options),
        start=st.sampled_from([None, None, "view", "1.00", "/"]),
        direction=st.sampled_from(["next", "previous"]),
        depth=st.integers(1, 5),
        by=BY,
        limit=LIMITS,
        gap=GAPS,
        longest=LONGEST_SESSIONS,
    )


@of_behaviour
def web(selection: Selection) -> Questions:
    return st.builds(
        lambda interval, **options: stats("web", shortened(selection, interval), interval=interval, **options),
        interval=st.sampled_from(["hour", "day", "day", "week", "month"]),
        gap=GAPS,
        longest=LONGEST_SESSIONS,
    )


def web_top(selection: Selection) -> Questions:
    return _web_rows(selection, BYS)


def web_names(selection: Selection) -> Questions:
    return _web_rows(selection, NAMES)


def _web_rows(given: Selection, bys: Sequence[str]) -> Questions:
    def found(selection: Selection) -> Questions:
        return _build_web_rows(selection, bys)

    return of_behaviour(found)(given)


def _build_web_rows(selection: Selection, bys: Sequence[str]) -> Questions:
    return st.builds(
        lambda **options: stats("web/top", selection, **options),
        by=st.sampled_from(bys),
        limit=LIMITS,
        offset=st.sampled_from([0, 0, 0, 1, 3, 1000]),
        gap=GAPS,
        longest=LONGEST_SESSIONS,
    )


def of_views(questions: Callable[[Selection], Questions]) -> Callable[[Selection], Questions]:
    """The same, about the types of events that others ask about, too."""

    def found(selection: Selection) -> Questions:
        return questions(replace(selection, event_types=selection.event_types or ("view", "Zoom")))

    return found


def user(selection: Selection) -> Questions:
    """A query of one user, who may not exist."""
    unfiltered = Selection(selection.start, selection.end, selection.zone)
    return st.sampled_from(USERS[:3]).map(lambda user_id: questions.user(unfiltered, user_id))


def anything(selection: Selection) -> Questions:
    """About what has been stored for the users ann and bob, at least."""
    ann_or_bob = st.sampled_from(["ann", "bob"])
    unfiltered = Selection(selection.start, selection.end, selection.zone)
    return st.one_of(
        *(
            ask(selection)
            for ask in (
                timeseries,
                users,
                sessions,
                top_properties,
                event_users,
                funnel,
                retention,
                paths,
                of_views(web),
                of_views(web_top),
            )
        ),
        ann_or_bob.map(lambda user_id: questions.user(unfiltered, user_id)),
    )
