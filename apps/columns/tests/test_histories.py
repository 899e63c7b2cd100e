"""Random histories of events, blocks, late events, erasures and questions: answers are PostgreSQL's."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored import BY_DAY, DAY, EVERYTHING

from event_tracker.columns.loading.rows import pieces

DAYS = st.integers(0, 2)
HOURS = st.integers(0, 23)
SOURCES = st.sampled_from(["default", "shop"])
RANGES = st.tuples(st.floats(0, 72), st.floats(0, 72)).map(sorted)
STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(1, 30), DAYS, HOURS, SOURCES),
    st.tuples(
        st.just("build"),
        DAYS,
        SOURCES,
        st.sampled_from([(0, 24), (0, 12), (12, 24), (3, 5)]),
        st.sampled_from([(), ("page",)]),
    ),
    st.tuples(st.just("erase"), st.integers(0, 19)),
    st.tuples(st.just("anonymise"), st.integers(0, 19)),
    st.tuples(st.just("ask"), RANGES, st.sampled_from([None, ["default"], ["shop"], ["default", "shop"]])),
    st.tuples(st.just("refresh")),
)


def build(stored, day, source, hours, keys):
    stored.owner.execute(
        'delete from blocks where source = %s and start < %s and "end" > %s',
        [source, *(DAY + timedelta(days=day, hours=hour) for hour in reversed(hours))],
    )
    if stored.owner.execute(
        "select from event_counts where source = %s and hour >= %s and hour < %s limit 1",
        [source, *(DAY + timedelta(days=day, hours=hour) for hour in hours)],
    ).fetchone():
        stored.build(day, source, *hours, keys=keys)


def ask(stored, engine, bounds, sources):
    start, end = (DAY + timedelta(hours=bound) for bound in bounds)
    selection = replace(EVERYTHING, start=start, end=end, sources=sources)
    assert engine.run(selection, BY_DAY, {}).rows == stored.rows(selection=selection)


def take(stored, engine, step):
    match step:
        case ("add", number, day, hour, source):
            stored.add(number, day=day, hour=hour, source=source)
        case ("build", day, source, hours, keys):
            build(stored, day, source, hours, keys)
        case ("erase", user):
            stored.owner.execute("delete from events where user_id = %s", [f"user-{user}"])
        case ("anonymise", user):
            stored.owner.execute("update events set user_id = 'anon-' || event_id where user_id = %s", [f"user-{user}"])
        case ("ask", bounds, sources):
            ask(stored, engine, bounds, sources)
        case ("refresh",):
            engine.refresh()


@pytest.mark.parametrize("piece_events", [pieces.PIECE_EVENTS, 7])
def test_any_history(stored, engine, owner, monkeypatch, piece_events):
    monkeypatch.setattr(pieces, "PIECE_EVENTS", piece_events)

    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(STEPS, min_size=4, max_size=20))
    def check(steps):
        owner.execute("truncate events, event_counts, deleted_counts, users, blocks, block_epochs")
        for step in steps:
            take(stored, engine, step)
        ask(stored, engine, (0, 72), None)

    check()
