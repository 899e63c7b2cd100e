"""What the questions share in DuckDB's SQL does what plain Python does: intervals, and sessions that are cut."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from uuid import UUID

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_tracker.columns.layout import COLUMNS
from event_tracker.query.stats.columns.interval_numbers import number_intervals
from event_tracker.query.stats.columns.selection import Parameters
from event_tracker.query.stats.columns.visits import SECOND, build_cut, build_visits

EXAMPLES = settings(max_examples=200, derandomize=True, deadline=None, database=None)
T0 = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        columns = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
        connection.execute(f"create table events ({columns})")
        yield connection


@EXAMPLES
@given(
    lengths=st.lists(st.integers(1, 5000), min_size=1, max_size=20),
    before=st.integers(0, 4000),
    times=st.lists(st.floats(0, 1), max_size=20),
)
def test_a_time_lies_in_the_interval_that_began_last(connection, lengths, before, times):
    starts = [T0 - timedelta(microseconds=before)]
    for length in lengths:
        starts.append(starts[-1] + timedelta(microseconds=length))
    end = starts.pop()
    moments = [starts[0], *starts, *(starts[0] + (end - starts[0]) * part for part in times)]
    asked = [moment for moment in moments if moment < end]
    parameters = Parameters()
    number = number_intervals(starts, end, parameters)
    micros = [(moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for moment in asked]
    statement = f"select {number} from (select unnest($micros::bigint[]) as micros)"
    found = [row for (row,) in connection.execute(statement, {**parameters, "micros": micros}).fetchall()]
    assert found == [bisect_right(starts, moment) for moment in asked]


PARTS = """
with selected as (
  select user_id, session_id, epoch_us("timestamp") as micros from events
),
long as (select user_id, session_id, visit from ({visited}) as visited group by all having max(micros) - min(micros) > $longest),
{cut}
select user_id, session_id, part, list(micros order by micros) from cut group by all
"""


@settings(EXAMPLES, max_examples=20)
@given(
    times=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([None, "s"]), st.integers(0, 40)), max_size=60
    ),
    longest=st.integers(1, 12),
)
def test_what_is_too_long_is_cut_at_the_first_event_that_comes_too_late(connection, times, longest):
    connection.execute("delete from events")
    if times:
        connection.executemany(
            'insert into events (user_id, session_id, "timestamp", event_id) values (?, ?, ?, ?)',
            [(user, session, T0 + timedelta(seconds=at), UUID(int=n)) for n, (user, session, at) in enumerate(times)],
        )
    statement = PARTS.format(visited=build_visits("micros"), cut=build_cut("micros", timedelta(seconds=41), longest))
    rows = connection.execute(statement, {"gap": 100 * SECOND, "longest": longest * SECOND}).fetchall()
    start = T0.timestamp() * SECOND
    found = sorted((user, session, [int(at - start) // SECOND for at in parts]) for user, session, _, parts in rows)
    assert found == sorted(parts_of(times, longest))


def parts_of(times, longest):
    """The parts of each visit that is too long, one event after the other."""
    visits = {}
    for user, session, at in sorted(times, key=lambda one: one[2]):
        visits.setdefault((user, session or ""), []).append(at)
    for (user, session), moments in visits.items():
        if moments[-1] - moments[0] <= longest:
            continue
        part = []
        for at in moments:
            if part and at - part[0] > longest:
                yield user, session, part
                part = []
            part.append(at)
        yield user, session, part
